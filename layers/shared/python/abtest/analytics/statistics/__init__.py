"""The statistics, one module each: mergeable, exact where it can be, with a status where it cannot."""
