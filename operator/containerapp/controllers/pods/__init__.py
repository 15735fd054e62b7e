"""What every kind puts into a Pod: the template, names, labels and metadata."""
