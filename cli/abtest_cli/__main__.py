"""`python -m abtest_cli` is `abtest`."""

from abtest_cli.main import main

if __name__ == "__main__":
    main()
