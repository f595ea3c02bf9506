"""What an issuer of cards measures here: little, so that each number can be followed by hand."""

import ringfence as rf

card = rf.entity("card")

spec = rf.FeatureSpec.of(
    card.count("10m", where=rf.Where("small", "amount", "<=", 5.0)),  # stolen numbers are tried out so
    card.count("1d"),
    card.sum("amount", "1d"),
    card.distance_km(),  # from where the card paid before
    card.speed_kmh(),
    card.seconds_since_last(),
)
