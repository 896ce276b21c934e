"""Photos to descriptors, by any of the published networks: the program ``gcsa extract``."""
