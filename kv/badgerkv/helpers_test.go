package badgerkv

import "time"

// timeOf returns some moment, later for a greater n.
func timeOf(n uint64) time.Time { return time.Unix(1_900_000_000+int64(n), 0) }
