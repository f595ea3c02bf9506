"""What this project measures: the shipped features and some of its own.

A feature added here is rebuilt from the log by the next run, over all history. Values of a file are
written by `ringfence features FILE --out values.parquet`.
"""

import ringfence as rf

card = rf.entity("card")
merchant = rf.entity("merchant")
customer = rf.entity("customer")

spec = rf.CATALOG.with_features(
    card.share(rf.NIGHT, "30d"),  # how much of what it does, it does at night
    card.max("amount", "30d", exclude_current=True),  # the largest of the month before
    customer.distinct("merchant", "7d"),  # in how many shops within a week
    (card * merchant).count("30d"),  # how often this card has paid in this shop
)
