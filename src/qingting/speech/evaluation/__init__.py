"""How good recognition is: character error rate and what it is made of."""
