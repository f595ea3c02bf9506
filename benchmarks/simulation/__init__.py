"""The product in one thread, under a seeded scheduler, with a disk, a network and peers that misbehave."""
