"""Story sites to stories: a Scrapy project. `scrapers.run.scrape` is the way in (docs/scraping.md)."""
