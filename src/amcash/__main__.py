"""`python -m amcash` is the same as `amcash`."""

from amcash.cli import main

if __name__ == "__main__":
    main()
