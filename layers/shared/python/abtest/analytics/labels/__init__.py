"""People's labels beside a judge's scores: agreement, the effect corrected by people, how many labels are worth it."""
