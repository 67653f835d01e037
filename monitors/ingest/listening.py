"""The listening ledger: since when, and until when, this installation could accept a push."""

from __future__ import annotations

STAMP_SECONDS = 0.5
GAP_SECONDS = 2

# name: stamp
# Say that we can commit. A predecessor older than two seconds leaves a gap, our own boot included.
STAMP = f"""
WITH old AS MATERIALIZED (
  SELECT at FROM monitors_listeningstamp WHERE id = 1 FOR UPDATE
), present AS MATERIALIZED (
  SELECT clock_timestamp() AS at, (SELECT max(at) FROM old) AS before
), gap AS (
  INSERT INTO monitors_listeninggap (started_at, ended_at)
  SELECT before, at FROM present WHERE at - before >= interval '{GAP_SECONDS} seconds'
)
INSERT INTO monitors_listeningstamp AS s (id, at) SELECT 1, at FROM present
ON CONFLICT (id) DO UPDATE SET at = greatest(s.at, excluded.at)
"""
