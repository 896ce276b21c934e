"""What a world of buildings consists of: scenes, sizes, sessions."""

from dataclasses import dataclass

VERSION = 1
# LaMAR's names, in its order, so that its readers and configs apply as they stand.
NAMES = ("CAB", "HGE", "LIN")
STOREYS = 2


@dataclass(frozen=True)
class Shape:
    """One building, in metres: a spine corridor, and wings (corridors) that leave it at one side.

    Rooms line the wings on both sides and the spine on the other side, where a hall opens too.
    """

    name: str  # of the scene
    wings: int
    length: float  # of a wing
    pitch: float  # from wing to wing
    corridor: float  # width
    room: float  # width
    hall: float  # width of the hall, 0 for none
    storey: float  # from floor to floor
    ceiling: float = 2.8  # above the floor


@dataclass(frozen=True)
class Amount:
    """How many sub-sessions and frames in all a device gives to a session."""

    subs: int
    frames: int


@dataclass(frozen=True)
class Size:
    """One size of world: buildings, the frames of each session, images, descriptor."""

    shapes: tuple[Shape, ...]
    navvis: Amount  # a frame is four tiles
    map_phone: Amount
    map_hololens: Amount  # a frame is four images
    phone: Amount  # validation queries
    hololens: Amount
    test_phone: Amount
    test_hololens: Amount
    dim: int
    depth: bool = False  # write depth maps of the map and the validation queries
    vocabulary: int = 64
    width: int = 160
    height: int = 120

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(shape.name for shape in self.shapes)

    def sessions(self) -> dict[str, dict[str, Amount]]:
        """Session -> device -> amount."""
        return {
            "map": {
                "navvis": self.navvis,
                "phone": self.map_phone,
                "hololens": self.map_hololens,
            },
            "query_val_phone": {"phone": self.phone},
            "query_val_hololens": {"hololens": self.hololens},
            "query_phone": {"phone": self.test_phone},
            "query_hololens": {"hololens": self.test_hololens},
        }


SIZES = {
    "tiny": Size(
        shapes=(
            Shape("CAB", 2, 9.0, 12.0, 2.4, 3.0, 0.0, 3.6),
            Shape("HGE", 2, 10.0, 15.0, 3.4, 5.0, 7.0, 3.9),
        ),
        navvis=Amount(2, 18),
        map_phone=Amount(2, 28),
        map_hololens=Amount(2, 6),
        phone=Amount(2, 20),
        hololens=Amount(2, 8),
        test_phone=Amount(2, 8),
        test_hololens=Amount(2, 4),
        dim=128,
        depth=True,
        vocabulary=32,
    ),
    "small": Size(
        shapes=(
            Shape("CAB", 2, 14.4, 15.0, 4.2, 4.8, 9.0, 3.6),
            Shape("HGE", 2, 15.0, 17.0, 4.0, 5.0, 10.0, 3.9),
            Shape("LIN", 3, 14.4, 16.0, 4.2, 4.8, 10.0, 3.7),
        ),
        navvis=Amount(2, 110),
        map_phone=Amount(4, 220),
        map_hololens=Amount(2, 50),
        phone=Amount(4, 120),
        hololens=Amount(3, 60),
        test_phone=Amount(2, 40),
        test_hololens=Amount(2, 20),
        dim=512,
    ),
}
