"""The fifteen features of the Fraud Detection Handbook (Université libre de Bruxelles), as a specification.

Twelve are windows over earlier payments: `spec`. Three are facts of the payment itself, which need no window
and no state: `TX_AMOUNT` is the field `amount`, and a rule or a model column says `weekday >= 5` and
`hour <= 6` where the handbook says `TX_DURING_WEEKEND` and `TX_DURING_NIGHT`.
"""

from ringfence.features.spec import FeatureSpec, entity

WINDOWS = ("1d", "7d", "30d")

customer, terminal = entity("customer"), entity("terminal")

spec = FeatureSpec.of(
    *(customer.count(window) for window in WINDOWS),
    *(customer.mean("amount", window) for window in WINDOWS),
    # A fraud is known after a week, so the risk of a terminal looks at the days before that week.
    *(terminal.count(window, delay="7d") for window in WINDOWS),
    *(terminal.label_rate(window, delay="7d", default=0) for window in WINDOWS),
)

HANDBOOK_NAMES = (
    *(f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW" for days in (1, 7, 30)),
    *(f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW" for days in (1, 7, 30)),
    *(f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW" for days in (1, 7, 30)),
    *(f"TERMINAL_ID_RISK_{days}DAY_WINDOW" for days in (1, 7, 30)),
)
"""What the handbook calls them, in the order of `spec`."""

OF_THE_EVENT = {
    "TX_AMOUNT": "amount",
    "TX_DURING_WEEKEND": "weekday >= 5",
    "TX_DURING_NIGHT": "hour <= 6",
}
"""The other three, as expressions over the payment's own fields."""
