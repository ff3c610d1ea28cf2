"""The bookkeeper's side of the ledger: it books journals into Postgres, keeps the sums, and drops old
months."""
