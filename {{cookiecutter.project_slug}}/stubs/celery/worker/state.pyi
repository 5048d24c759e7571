from collections.abc import Set as AbstractSet

reserved_requests: AbstractSet[object]
