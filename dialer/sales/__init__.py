"""The pipeline that carries sales through: a process of its own, `python -m dialer.sales CAMPAIGN.toml`."""
