"""What the README tells a newcomer to paste works, and what it tells of the codes is the table."""

import re
import subprocess
from pathlib import Path

from amcash.domain.codes import TABLE, Endpoint
from amcash.domain.vocabulary import Language
from api.serving import clean_environment, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def bash(script, cwd):
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=clean_environment(),
        timeout=60,
    ).stdout


def test_the_curl_lines_of_the_readme_get_a_token_and_redeem_95_miles(tmp_path):
    block = re.search(r"```bash\n(.*?)```", README, re.DOTALL)[1]
    with serving(tmp_path, programme=ROOT / "sample-programme.toml") as server:
        out = bash(block.replace("http://127.0.0.1:8080", server.address), tmp_path)
    assert '"availableOfferUnits":"4"' in out
    assert '"milesRedeemed":"95"' in out
    assert out.count('"responseCode":"0000"') == 2


def test_the_curl_lines_that_a_sandbox_prints_redeem_95_miles(tmp_path):
    with serving(tmp_path, programme=ROOT / "sample-programme.toml") as server:
        printed = (tmp_path / "server.log").read_text().split("amcash listening on", 1)[1].split("\n", 1)[1]
        lines = [line for line in printed.splitlines() if line.startswith(("TOKEN=", "curl ", "  "))]
        out = bash("\n".join(lines), tmp_path)
        assert server.address in printed
    assert '"milesRedeemed":"95"' in out


def test_every_code_stands_in_the_readme_with_its_status_and_words():
    for code, row in TABLE.items():
        line = next(line for line in README.splitlines() if line.startswith(f"| `{code}`"))
        assert str(int(row.status)) in line
        words = row.message(Endpoint.REDEEM, Language.EN)
        assert words in line
