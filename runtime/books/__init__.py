"""The bookkeeper's side of the ledger: journals into Postgres, sums, and what is dropped in the end."""
