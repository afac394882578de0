"""The production engine with a clock to move, faults to order and a reason for each answer: `serve --sandbox` only."""
