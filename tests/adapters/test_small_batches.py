"""Live traffic leaves batches of a few records: what follows the log takes many of them at once."""

import pyarrow as pa
from tests.spine import runner, source

from ringfence.adapters.lake.shapes import events_in, rows_in
from ringfence.adapters.landing.shapes import rows
from ringfence.adapters.relational.rows import decisions_of, event_rows
from ringfence.adapters.sqlite import Store
from ringfence.ports import DECISIONS, EVENTS


def test_small_batches_together_give_the_rows_of_each(tmp_path):
    with Store.open(tmp_path) as store:
        deciding = runner(store)
        for part in source(120, 3):
            deciding.ingest(part.events, part.labels)
        events, decisions = list(store.log.read(EVENTS)), list(store.log.read(DECISIONS))
    assert (len(events), len(decisions)) > (30, 30)
    assert len(list(events_in(events))) == 1
    assert len(list(rows_in(DECISIONS, decisions))) == 1
    for topic, batches in ((EVENTS, events), (DECISIONS, decisions)):
        apart = pa.concat_tables([rows(topic, [batch]) for batch in batches])
        assert rows(topic, batches).equals(apart)
    for made, batches in ((event_rows, events), (decisions_of, decisions)):
        apart = pa.concat_tables([made([batch]) for batch in batches], promote_options="permissive")
        assert made(batches).to_pylist() == apart.to_pylist()
