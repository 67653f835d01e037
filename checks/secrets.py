"""Credentials in files that are or could be committed: `python -m checks.secrets`.

detect-secrets looks for what has a form of its own (keys of providers, private keys, tokens, a
password in a URL), and for long random texts. What was looked at and is none (samples that tests
send) is in `.secrets.allowed`: one line for each, of file, kind and SHA-1, so that nothing changes
when lines move. `--allow` writes that file anew; read the difference before you commit it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import get_plugins, transient_settings

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ROOT / ".secrets.allowed"
_PLUGINS = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
_ENTROPY = (("Base64HighEntropyString", 4.8), ("HexHighEntropyString", 3.3))
_FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_templated_secret",
)
# Hashes of packages are no secrets; pictures hold no text.
_LEFT_OUT = ("requirements/base.txt", "requirements/dev.txt", "tests/clients/package-lock.json")
_BINARY = {".png", ".ico", ".woff2", ".mo", ".gz", ".zip"}
# A text without which there is none of high entropy: long, and not of letters alone.
_RANDOM = re.compile(r"(?<![0-9A-Za-z+/_-])(?=[A-Za-z+/_-]*[0-9])[0-9A-Za-z+/=_-]{20,}")
Found = tuple[str, str, str]


def files_of(root: Path) -> list[str]:
    """Return the files of a checkout that are tracked, or would be if they were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return sorted(
        name
        for name in names
        if name and name not in _LEFT_OUT and Path(name).suffix not in _BINARY
    )


def find_secrets(root: Path, names: Iterable[str]) -> dict[Found, int]:
    """Return what looks like a secret, with the line where it stands."""
    own = ROOT / "checks" / "our_secrets.py"
    plugins = [
        *({"name": name} for name in _PLUGINS),
        *({"name": name, "limit": limit} for name, limit in _ENTROPY),
        {"name": "OurSecretDetector", "path": own.as_uri()},
    ]
    settings = {"plugins_used": plugins, "filters_used": [{"path": path} for path in _FILTERS]}
    with transient_settings(settings):
        patterns = [
            re.compile(pattern.pattern, pattern.flags)
            for plugin in get_plugins()
            for pattern in getattr(plugin, "denylist", ())
        ]
        return {
            (name, secret.type, secret.secret_hash): secret.line_number
            for name in names
            if _is_worth_reading(root / name, [_RANDOM, *patterns])
            for secret in scan_file(str(root / name))
        }


def _is_worth_reading(path: Path, patterns: Iterable[re.Pattern[str]]) -> bool:
    """Return whether reading the file line by line, which is slow, could find anything."""
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(pattern.search(text) for pattern in patterns)


def main() -> int:
    """Return 1 and name what is found, but for what is allowed."""
    found = find_secrets(ROOT, files_of(ROOT))
    if "--allow" in sys.argv:
        ALLOWED.write_text("".join(f"{' | '.join(each)}\n" for each in sorted(found)))
        return 0
    allowed = {tuple(line.split(" | ")) for line in ALLOWED.read_text().splitlines()}
    wrong = sorted(
        (name, line, kind)
        for (name, kind, sha), line in found.items()
        if (name, kind, sha) not in allowed
    )
    for name, line, kind in wrong:
        sys.stderr.write(f"{name}:{line}: {kind}\n")
    for name, kind, _ in sorted(allowed - set(found)):
        sys.stderr.write(f"{name}: {kind} is allowed and not there: take its line out\n")
    return 1 if wrong or allowed - set(found) else 0


if __name__ == "__main__":
    sys.exit(main())
