"""What a bank measures of instant payments: who sends, who receives, and whether they know each other."""

import ringfence as rf

account, payee = rf.entity("account"), rf.entity("counterparty")

spec = rf.FeatureSpec.of(
    account.count("30d"),
    account.is_new("device"),
    account.is_new("counterparty"),
    account.sum("amount", "1d"),
    account.max("amount", "1d"),
    account.count("1d", where=rf.Where("from_900", "amount", ">=", 900.0)),  # 1,000 is where reports begin
    payee.distinct("account", "1d"),  # how many paid it within a day
    payee.seconds_since_first(),  # since when it is known
)
