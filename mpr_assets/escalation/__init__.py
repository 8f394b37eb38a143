"""What reading left unresolved: which candidates are asked about, with which pictures, and what answers are worth."""
