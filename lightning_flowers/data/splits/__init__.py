"""Splits: records of many shards in one order, folds of them, and what tells two data sets apart."""
