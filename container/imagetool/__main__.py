"""The commands behind the Makefile's image targets."""

import argparse
import json
from pathlib import Path

from . import deb, packages, programs, recipe, release, verify


def main():
    parser = argparse.ArgumentParser(prog="imagetool", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="programs, layouts, docker archives, SBOMs")
    build.add_argument("variants", nargs="*", metavar="distroless|dev")
    commands.add_parser("programs", help="the programs alone, as `build` puts them into the images")
    commands.add_parser("deb", help="the Debian package, from the programs built")
    sign = commands.add_parser("sign", help="signatures and attestations")
    sign.add_argument("key", type=Path)
    check = commands.add_parser("check", help="every blob, every signature")
    check.add_argument("public_key", type=Path)
    check.add_argument("release", type=Path, nargs="?", default=recipe.RELEASE)
    commands.add_parser("verify", help="a second build elsewhere gives the same digests")
    commands.add_parser("digests", help="the digests, as JSON")
    commands.add_parser("update-lock", help="lock files as the archives are today")
    arguments = parser.parse_args()
    if arguments.command == "build":
        release.build(arguments.variants or ["distroless", "dev"])
    elif arguments.command == "programs":
        # Tests of the programs can do with the libraries that are installed.
        programs.build(packages.fetch(recipe.LINKED_ARCHIVES, must=False))
    elif arguments.command == "deb":
        print(deb.build())
        release.write_sums()
    elif arguments.command == "sign":
        release.sign(arguments.key)
    elif arguments.command == "check":
        problems = verify.check_release(arguments.release, arguments.public_key)
        if problems:
            raise SystemExit("\n".join(problems))
        print(f"{arguments.release}: every byte and every signature is as it should be")
    elif arguments.command == "verify":
        release.verify_by_rebuilding()
    elif arguments.command == "digests":
        print(json.dumps(release.digests()))
    elif arguments.command == "update-lock":
        packages.update_lock()
        programs.update_lock()


main()
