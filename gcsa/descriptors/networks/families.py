"""Families of networks, recognised by the names of their tensors: a new one is a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from gcsa.descriptors.networks import boq, convap, gem, mixvpr, netvlad, salad, vlad
from gcsa.descriptors.networks.body import Body
from gcsa.errors import InputError


class Family(NamedTuple):
    body: type[Body]
    # Tensors that only files of this family have; the first family whose tensors are there is it.
    known_by: tuple[str, ...]


FAMILIES = {
    "hloc-netvlad": Family(netvlad.HlocNetVlad, ("netvlad.centers",)),
    "patch-netvlad": Family(netvlad.NetVlad, ("pool.centroids", "WPCA.0.weight")),
    "pytorch-netvlad": Family(netvlad.NetVlad, ("pool.centroids",)),
    "openibl": Family(netvlad.OpenIbl, ("net_vlad.centroids",)),
    "cirtorch": Family(gem.Cirtorch, ("features.0.weight", "pool.p")),
    "cosplace": Family(gem.CosPlace, ("aggregation.1.p", "aggregation.3.weight")),
    "mixvpr": Family(mixvpr.MixVpr, ("aggregator.mix.0.mix.0.weight",)),
    "convap": Family(convap.ConvAp, ("aggregator.channel_pool.weight",)),
    "boq": Family(boq.Boq, ("aggregator.boqs.0.queries",)),
    "salad": Family(salad.Salad, ("aggregator.dust_bin",)),
    "megaloc": Family(salad.MegaLoc, ("aggregator.agg.dust_bin",)),
    "efficientnet": Family(gem.EfficientGeM, ("_conv_stem.weight",)),
    "anyloc": Family(vlad.AnyLoc, ("centers", "dino.cls_token")),
    "dinov2": Family(vlad.ClassToken, ("cls_token", "blocks.0.ls1.gamma")),
    "dir": Family(gem.Dir, ("conv1.weight", "layer4.0.conv1.weight", "fc.weight")),
}


def recognised(tensors: Mapping[str, Tensor], path: object) -> str:
    """The family that a file's tensors are of; InputError where it is none of them."""
    for name, family in FAMILIES.items():
        if all(tensor in tensors for tensor in family.known_by):
            return name
    some = ", ".join(list(tensors)[:3])
    raise InputError(
        f"{path}: no network that is known, its tensors are {some} ...; known are "
        f"{', '.join(FAMILIES)}"
    )
