"""The source's settings, and the hosts to which a secret may be sent."""

from source_amocrm.config.settings import Config, LongLived, OAuth, check_shape, parse_config

__all__ = ["Config", "LongLived", "OAuth", "check_shape", "parse_config"]
