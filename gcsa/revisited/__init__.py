"""Oxford and Paris buildings, classic and revisited: ground truth, feature files, distractors."""
