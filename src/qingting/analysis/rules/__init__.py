"""The rule language: rules as data, compiled once, followed through calls live and afterwards."""
