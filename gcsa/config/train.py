"""Section ``train`` of the settings: how a network is trained, and on what."""

from __future__ import annotations

from dataclasses import dataclass, field

# Settings that are one of a few words.
CHOICES = {
    "system": ("gcsa", "csa", "place", "descriptor"),
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("step", "milestones", "cosine", "linear"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "init_proj": ("random", "pca"),
    "projection": ("per-candidate", "shared"),
}
# Schedules that change the learning rate at every step, and depend on the last epoch.
BY_STEP = ("cosine", "linear")


@dataclass
class TrainConfig:
    """Section ``train``: how the network is trained, and on what."""

    system: str = "gcsa"  # gcsa | csa: sections model, csa | place, descriptor: their sections
    optimizer: str = "adam"  # adam | adamw | sgd
    learning_rate: float = 1e-4  # schedule step: at the start; cosine: the highest
    weight_decay: float = 0.0  # of all that is trained; sgd of gcsa and csa: but biases and norms
    momentum: float = 0.9  # of sgd
    schedule: str = "step"  # of the rate: step | milestones, by epoch; cosine | linear, by step
    lr_step: int = 1  # schedule step: epochs between two decays of the learning rate
    lr_gamma: float = 0.9  # schedule step, milestones: factor of a decay
    milestones: list[int] = field(default_factory=list)  # epochs after which the rate decays
    lr_end: float = 0.0  # schedule linear: the share of the rate that is left at the end
    warmup_epochs: int = 0  # schedule cosine: epochs of rising before it falls to 0
    warmup_lr: float = 0.0  # schedule cosine: where the rising begins
    warmup_steps: int = 0  # descriptor: steps over which the rate rises from 0
    clip_norm: float = 0.0  # the gradient of a step is cut to this length; 0: never
    num_epochs: int = 10  # passes over the training queries
    freeze_input_proj: bool = False  # train everything but the projection
    checkpoint: str | None = None  # start from this file: the pre-trained projection
    init_proj: str = "random"  # projection at the start: random | pca of training descriptors
    projection: str = "per-candidate"  # dropout drawn per-candidate (published) | shared by image
    refresh: int = 50  # shared, frozen projection: steps until its dropout is drawn anew
    nearby: int = 1  # training queries drawn in groups of so many near each other
    loss: str = "ap"  # ap, sare, triplet, ...: the keys of LOSSES; parameters: section loss
    mining: bool = False  # stage 1: each query with one positive and its hardest negatives alone
    remine: int = 1000  # mining: queries until descriptors are compared anew
    own_positive: bool = True  # the query counts as a positive of its own (published)
    skip_empty: bool = False  # leave queries without a relevant candidate out
    keep_best: bool = False  # also keep checkpoint_best.pth.tar, by validation mAP@10 (.best)
    precision: str = "auto"  # fp32 | bf16 | fp16; auto: fp16 on a GPU, fp32 on the CPU
    compile: bool = False  # torch.compile the transformer: minutes at first, faster on GPUs
    device: str = "auto"  # auto: a GPU where there is one
    timeout: float = 30.0  # minutes: of several processes, how long one waits for another
    seed: int = 0  # of the weights, the order of the queries and dropout
