"""Reading: from a source of images to features, statistics and rows, kept and agreed between processes."""
