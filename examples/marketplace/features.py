"""What a marketplace measures: buyers and sellers can both be false, and can be the same person."""

import ringfence as rf

device, seller, buyer = rf.entity("device"), rf.entity("merchant"), rf.entity("customer")
pair = buyer * seller

spec = rf.FeatureSpec.of(
    device.distinct("customer", "7d"),
    seller.seconds_since_first(),
    seller.distinct("card", "1d"),
    seller.sum("amount", "1d"),
    pair.count("7d"),
    pair.sum("amount", "7d"),
)
