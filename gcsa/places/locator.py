"""A scene whose queries are located: all that is known of them, weighed into a posterior."""

from __future__ import annotations

import copy
import math
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array

from gcsa.errors import InputError, given
from gcsa.models.place import PlaceNet
from gcsa.places.affinities import Affinities
from gcsa.places.calibration import Calibration
from gcsa.places.kernels import (
    Discs,
    Distance,
    Kernel,
    Pairs,
    Places,
    Pose,
    identity,
    near,
    overlap_kernel,
)
from gcsa.places.learned import learned, with_relevance
from gcsa.places.logits import Logits
from gcsa.places.posterior import Posterior, RankingConfig, posterior
from gcsa.places.sequences import ChainConfig, chain
from gcsa.places.settings import PosteriorConfig
from gcsa.places.standing import Observed, Spread, area_of
from gcsa.places.verified import verified
from gcsa.places.weighed import Weighed
from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import own_rows
from gcsa.scene import Scene
from gcsa.sideinfo import evidence, fov, radio
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.pairs import on_one_level
from gcsa.sideinfo.rules import Rule, reach_of


class Locator:
    """What a scene's queries are located by, prepared once for any lists of candidates.

    rule: what is relevant, which chooses the kernel. network: corrects the evidence, where given.
    Everything that the scene lacks says nothing.
    """

    def __init__(
        self,
        scene: Scene,
        rule: Rule,
        fov_config: FovConfig,
        calibration: Calibration,
        device: torch.device | str = "cpu",
        network: PlaceNet | None = None,
    ):
        self.rule, self.calibration = rule, calibration
        self.device = torch.device(device)
        corrected_by = None if network is None else network.state_dict()
        self.about = rule, fov_config, calibration, corrected_by
        self._take(scene)
        self.network, self.reach = network, reach_of(rule, fov_config)
        self.places: Places | None = None
        self.kernel: Kernel = identity
        self._near = csr_array(np.eye(0))
        self._centre = np.zeros(2)
        if scene.database.positions is None:
            return
        positions, towards = scene.database.positions[:, :2], scene.database.headings
        if rule.kind == "pose" and towards is None:
            raise InputError(f"{scene.name}: rule 'pose' needs the headings of the database")
        self.places = Places.of(positions, None, device)
        self._centre = self.places.centre
        matrix = near(positions, calibration.spread, rule.reach)
        if rule.kind == "pose" and towards is not None:
            self.places = Places.of(positions, towards, device)
            self.kernel = Pose(
                self.places, Discs(rule.reach, device=device), math.radians(rule.turn)
            )
            matrix = _facing(matrix, towards, math.radians(rule.turn))
        elif rule.kind == "dist" or towards is None:
            self.kernel = Distance(self.places, Discs(rule.reach, device=device))
        else:
            knots, chance = map(np.array, calibration.overlap)
            matrix = overlap_kernel(overlaps_of(scene, fov_config), knots, chance)
            self.kernel = Pairs.of(matrix, device)
        self._near = csr_array(matrix)
        self._photographed = np.asarray(self._near.sum(axis=1)).ravel()

    def of_queries(self, rows: np.ndarray) -> Locator:
        """The same for the queries ``rows`` (m,) of the scene alone."""
        part = copy.copy(self)
        part.scene = self.scene.asked_by(rows, descriptors=False)
        part._asked = self._asked[rows]
        vars(part).pop("affinities", None)  # they are of all queries
        return part

    def asked(self, scene: Scene) -> Locator:
        """For other queries of the same database: ``scene`` is :meth:`Scene.asked` of this one."""
        made = copy.copy(self)
        made._take(scene)
        vars(made).pop("affinities", None)
        return made

    def _take(self, scene: Scene) -> None:
        """Prepare what all queries of a scene share: those of a part are rows of it."""
        self.scene, self._own = scene, own_rows(scene)
        self._asked = np.arange(len(scene.queries))
        scans = [s.radio for s in (scene.queries, scene.database) if s.radio is not None]
        self._heard = radio.stack(scans) if len(scans) == 2 else None

    def weigh(
        self,
        candidates: Ranking,
        left_out: np.ndarray | None = None,
        logits: Logits | None = None,
    ) -> Weighed:
        """All evidence for the candidates of every query of the scene.

        left_out: (Q, n) bool, images that are no candidates of a query; that its place has lost
        them must not speak of it. logits: of a network, in the place of looks and prior, and of
        whatever else it has read.
        """
        c, valid, rows = self.calibration, candidates.valid, candidates.indices
        position, observed = self._position(rows)
        kinds = {
            "looks": evidence.looks(candidates.scores, valid, c.temperature),
            "density": evidence.density(self._photos(rows, left_out), c.gamma),
            "compass": self._compass(rows),
            "position": position,
            "radio": self._radio(rows),
        }
        if logits is not None:
            kinds = {name: found for name, found in kinds.items() if not logits.has_read(name)}
            kinds["logits"] = logits.values + c.none
        return Weighed(kinds, valid, observed)

    def locate(
        self,
        candidates: Ranking,
        config: PosteriorConfig,
        left_out: np.ndarray | None = None,
        logits: Logits | None = None,
    ) -> Posterior:
        """The posterior of every query over its candidates, and the ranking that follows."""
        weighed, c = self.weigh(candidates, left_out, logits), self.calibration
        matched = logits is not None and logits.has_read("local")
        if not matched:
            weighed = self.with_local(candidates, weighed, config.verify)
        relevance = None
        if self.network is not None:
            added, relevance = self._learned(candidates, weighed, self.network)
            weighed = weighed.beside(learned=added)
        total = weighed.total
        if config.sequences != "off":
            total = total + self._of_sequences(candidates, weighed, config.sequences == "online")
        found = posterior(
            torch.from_numpy(total).to(self.device),
            torch.from_numpy(candidates.indices).to(self.device),
            c.none,
            self.kernel,
            self.places,
            self.spread,
            weighed.observed,
            RankingConfig(precision=config.precision),
        )
        if relevance is None or self.places is not None or config.precision < 1:
            return found
        return with_relevance(found, relevance, candidates.valid)

    @property
    def spread(self) -> Spread:
        """How far a query is from the photo that shows its place."""
        return Spread(self.calibration.spread, self.calibration.turn)

    @cached_property
    def affinities(self) -> Affinities:
        """What candidates have to do with each other, for a network."""
        return Affinities(
            self.scene, self.places, self.kernel, self.spread, self.reach, self.device
        )

    def _learned(
        self, candidates: Ranking, weighed: Weighed, network: PlaceNet
    ) -> tuple[np.ndarray, np.ndarray]:
        between = None if network.pairs is None else self.affinities
        given = candidates.scores, candidates.indices, weighed, self.calibration.none
        return learned(network, between, *given, self.device)

    def with_local(self, candidates: Ranking, weighed: Weighed, most: int) -> Weighed:
        """With the evidence of local features, where there are any, of at most so many candidates
        of a query."""
        local, database = self.scene.local, self.scene.database
        if local is None or not most:
            return weighed

        def ask(query: np.ndarray, column: np.ndarray) -> np.ndarray:
            names = database.names[candidates.indices[query, column]]
            return local.inliers(self.scene.queries.names[query], names)

        found = verified(weighed.total, ask, self.calibration.inliers_table, most)
        return weighed.beside(local=found)

    def _photos(self, rows: np.ndarray, left_out: np.ndarray | None) -> np.ndarray:
        """How many photos show the place of each candidate, (Q, N), NaN where padded."""
        if self._near.shape[0] == 0:
            return np.where(rows >= 0, 1.0, np.nan)
        found = evidence.of_rows(self._photographed, rows)
        own = self._own[self._asked]
        if left_out is None and (own < 0).all():
            return found
        query = np.flatnonzero(own >= 0)
        shape = len(rows), self._near.shape[0]
        gone = csr_array((np.ones(len(query)), (query, own[query])), shape=shape)
        if left_out is not None:
            gone = gone.maximum(csr_array(left_out.astype(np.float64)))
        lost = csr_array(gone @ self._near.T)
        each = np.arange(len(rows))[:, None]
        return found - lost[each, np.maximum(rows, 0)].toarray()

    def _compass(self, rows: np.ndarray) -> np.ndarray:
        queries, database, c = self.scene.queries, self.scene.database, self.calibration
        if queries.headings is None or database.headings is None:
            return np.zeros(rows.shape)
        sigma = np.full(len(queries), c.compass_sigma)
        if queries.heading_accuracy is not None:
            sigma = np.hypot(sigma, np.nan_to_num(queries.heading_accuracy))
        facing = evidence.of_rows(database.headings, rows)
        return evidence.compass(queries.headings, facing, sigma, c.compass_outliers)

    def _position(self, rows: np.ndarray) -> tuple[np.ndarray, Observed | None]:
        queries, database, c = self.scene.queries, self.scene.database, self.calibration
        if queries.positions is None or database.positions is None:
            return np.zeros(rows.shape), None
        reported = queries.positions[:, :2]
        accuracy = np.full(len(queries), c.gps_accuracy)
        if queries.accuracy is not None:
            accuracy = np.where(np.isnan(queries.accuracy), accuracy, queries.accuracy)
        there = evidence.of_rows(database.positions[:, :2], rows)
        known = np.isfinite(reported).all(1)[:, None] & np.isfinite(there).all(-1)
        found = evidence.position(
            reported, accuracy, there, c.spread, c.gps_outliers, area_of(self.scene)
        )
        trust = evidence.trust(found, c.gps_outliers, known).clip(0, 1)
        observed = Observed(
            *map(self._tensor, (reported - self._centre, evidence.device_sigma(accuracy), trust))
        )
        return found, observed

    def _radio(self, rows: np.ndarray) -> np.ndarray:
        if self._heard is None:
            return np.zeros(rows.shape)
        shifted = np.where(rows >= 0, rows + len(self._own), -1)
        affinity = radio.affinity_of_lists(self._heard, self._asked, shifted)
        return evidence.tabulated(affinity, self.calibration.radio_table)

    def _of_sequences(self, candidates: Ranking, weighed: Weighed, online: bool) -> np.ndarray:
        queries, database, c = self.scene.queries, self.scene.database, self.calibration
        if queries.sequences is None or queries.frames is None or database.positions is None:
            raise InputError(
                f"{self.scene.name}: posterior.sequences: its queries are of no sequences, or the "
                "database has no positions"
            )
        there = evidence.of_rows(database.positions[:, :2], candidates.indices)
        settings = ChainConfig(c.step, c.jumps, c.discount, online)
        return chain(weighed.total, c.none, there, queries.sequences, queries.frames, settings)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(self.device)


def overlaps_of(scene: Scene, fov_config: FovConfig) -> csr_array:
    """Overlaps of the fields of view of a scene's database, on one level: (n, n) csr_array."""
    positions = given(scene.database.positions, f"{scene.name}: positions of the database")
    towards = given(scene.database.headings, f"{scene.name}: headings of the database")
    known = np.isfinite(positions).all(1) & np.isfinite(towards)
    found = fov.overlap_sparse(positions[:, :2], towards, mask=known, **fov_config.kwargs())
    if positions.shape[1] < 3:
        return found
    return on_one_level(found, positions[:, 2], fov_config.height)


def _facing(matrix: csr_array, headings: np.ndarray, turn: float) -> csr_array:
    """The entries of images that are headed within ``turn`` radians of each other."""
    entries = matrix.tocoo()
    away = evidence.wrapped(headings[entries.row] - headings[entries.col])
    kept = (np.abs(away) <= turn) | (entries.row == entries.col)
    return csr_array(
        (entries.data[kept], (entries.row[kept], entries.col[kept])), shape=matrix.shape
    )
