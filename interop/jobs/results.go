package jobs

// LogsResult answers a LogsCmd: the texts, sorted, with commas between them.
type LogsResult struct{ Texts string }

// LastOne is true: one result answers the command.
func (r LogsResult) LastOne() bool { return true }

// JobResult is one of the answers to a JobCmd, numbered from 0.
type JobResult struct {
	Job    int64
	Number int64
	Last   bool
}

// LastOne tells whether no more results follow.
func (r JobResult) LastOne() bool { return r.Last }

// Problem is the result of a command that failed, as the Rust library has it.
type Problem struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

// LastOne is true: a command that failed sends nothing more.
func (r Problem) LastOne() bool { return true }

// NoLastReply is what a job without results ends with.
var NoLastReply = Problem{Code: 3, Message: "the command ended without a last reply"}
