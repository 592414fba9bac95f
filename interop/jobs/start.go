package jobs

import "sync"

// start lets jobs begin together. The zero value is ready for use.
type start struct {
	mu      sync.Mutex
	waiting int64
	begin   chan struct{}
}

// wait returns a channel that is closed once this many jobs have called it.
func (s *start) wait(together int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begin == nil {
		s.begin = make(chan struct{})
	}
	begin := s.begin
	if s.waiting++; s.waiting == together {
		close(begin)
		s.waiting, s.begin = 0, nil
	}
	return begin
}
