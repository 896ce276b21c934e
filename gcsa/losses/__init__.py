"""Losses on the scores of ranked lists, one a file."""

from gcsa.losses.ap import APLoss

__all__ = ["APLoss"]
