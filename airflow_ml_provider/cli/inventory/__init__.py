"""Commands about what pipelines made: results, data that was handed out, models, endpoints."""
