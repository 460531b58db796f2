"""The source's settings, and which hosts may ever be given a secret."""

from source_amocrm.config.settings import Config, LongLived, OAuth, check_shape, parse_config

__all__ = ["Config", "LongLived", "OAuth", "check_shape", "parse_config"]
