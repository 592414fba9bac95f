//! `Failed` on its own.

use crate::{CalcError, made_of};
use cmd_stream::Failed;
use cmd_stream::protocol::FailedReason;

#[test]
fn failed_is_made_of_a_message_or_any_error() {
    let failed = Failed::new("by hand");
    assert_eq!((failed.reason(), failed.to_string().as_str()), (FailedReason::Error, "by hand"));
    let boxed: Box<dyn std::error::Error + Send + Sync> = format!("{} boxed", 1).into();
    assert_eq!(Failed::new(boxed).to_string(), "1 boxed");

    let by_question_mark = || -> Result<i64, Failed> { Ok("many".parse::<i64>()?) };
    let failed = by_question_mark().expect_err("no number");
    assert_eq!(failed.reason(), FailedReason::Error);
    assert!(failed.downcast_ref::<std::num::ParseIntError>().is_some());
    assert!(failed.downcast_ref::<CalcError>().is_none());
    assert_eq!(
        format!("{failed:?}"),
        "Failed { reason: Error, error: ParseIntError { kind: InvalidDigit } }"
    );
}

#[test]
fn failed_keeps_the_failures_own_type_and_makes_it_of_others() {
    let typed = CalcError { text: "typed".into(), made_of: None };
    assert_eq!(Failed::from(typed.clone()).into_failure::<CalcError>(), typed);
    assert_eq!(Failed::new("other").into_failure::<CalcError>(), made_of(FailedReason::Error, "other"));
}
