"""The facade: REST, the search page, and the read path behind them."""
