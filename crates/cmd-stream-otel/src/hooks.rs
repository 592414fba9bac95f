//! The client's side: a span for each call of a Sender, and its metrics.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cmd_stream::Error;
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry, Protocol};
use opentelemetry::global::GlobalTracerProvider;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status as SpanStatus, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::ShouldSample;

use crate::Status;
use crate::commands::Measured;
use crate::pre_sampler::{PreSampler, Verdict};
use crate::propagation::{Carried, Propagator};
use crate::semconv;
use crate::settings::{Address, Parts, Settings, is_noop, shared_settings};

/// [Hooks] that make a span for each call of a Sender, and record the metrics of the client.
///
/// The span has the name `Send <Command>`. Its parent is the current OpenTelemetry context, and so the current `tracing` span
/// where `tracing-opentelemetry` is used. A [`Traced`](crate::Traced) Command carries it to the server.
///
/// ```
/// # use cmd_stream::{Json, Sender, Command, protocol, protocol::kind::Plain};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # impl Command for Add { type Reply = Sum; type Kind = Plain; }
/// use cmd_stream_otel::{OtelHooks, Traced};
///
/// # protocol! {
/// #     struct Calculator { commands { 0 => Traced<Add> as Add } replies { 0 => Sum } failure close_connection }
/// # }
/// # async fn example() -> Result<(), cmd_stream::Error> {
/// let sender = Sender::builder(Calculator, Json)
///     .endpoints(["calculator:9000"])
///     .hooks(OtelHooks::new())
///     .connect()
///     .await?;
/// # let _ = sender; Ok(()) }
/// ```
pub struct OtelHooks<P, T> {
    parts: Parts<P, T>,
    custom: Custom,
}

/// The settings of [`OtelHooks`], from [`OtelHooks::builder`].
pub struct HooksBuilder<P, T = GlobalTracerProvider> {
    settings: Settings<T>,
    custom: Custom,
    protocol: PhantomData<fn() -> P>,
}

type OfCall = Box<dyn Fn(&About<'_>) -> Vec<KeyValue> + Send + Sync>;
type OfEnd = Box<dyn Fn(&About<'_>, Status) -> Vec<KeyValue> + Send + Sync>;
type OfReply = Box<dyn Fn(&About<'_>, u64) -> Vec<KeyValue> + Send + Sync>;

/// What the user sets.
#[derive(Default)]
struct Custom {
    server: Option<Address>,
    span: Option<OfCall>,
    result_event: Option<OfReply>,
    command_metric: Option<OfEnd>,
    result_metric: Option<OfCall>,
}

impl<P: Protocol> OtelHooks<P, <GlobalTracerProvider as TracerProvider>::Tracer> {
    /// Creates hooks with the default settings and the global providers, which must have been set before.
    #[expect(clippy::new_without_default, reason = "it depends on what is global")]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts to build hooks with other settings.
    pub fn builder() -> HooksBuilder<P> {
        HooksBuilder { settings: Settings::new(), custom: Custom::default(), protocol: PhantomData }
    }
}

impl<P: Protocol, T: TracerProvider> HooksBuilder<P, T> {
    shared_settings!(HooksBuilder);

    /// Sets the address of the server for the spans: a host name or an IP address, and a port. By default it is that of the
    /// connection that the Command was sent on.
    #[must_use]
    pub fn server_address(mut self, host: impl Into<String>, port: u16) -> Self {
        self.custom.server = Some(Address::tcp(host, port));
        self
    }

    /// Sets whether a Command carries the context of a span that is not sampled, so that the server does not sample its span
    /// either. The default is `true`. With `false` such a Command carries nothing, no baggage either, and the server decides for
    /// itself.
    #[must_use]
    pub fn carry_unsampled(mut self, carries: bool) -> Self {
        self.settings.carries_unsampled = carries;
        self
    }

    /// Adds attributes to each span, before the others. It is asked when the first Reply is here or the call has ended, and
    /// only if the span is recorded.
    #[must_use]
    pub fn span_attributes(
        mut self,
        attributes: impl Fn(&About<'_>) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.span = Some(Box::new(attributes));
        self
    }

    /// Adds the event `result` to the span for each Reply, with these attributes. By default there is none. The function gets
    /// the number of the Reply in its call, from 1.
    #[must_use]
    pub fn result_event(
        mut self,
        attributes: impl Fn(&About<'_>, u64) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.result_event = Some(Box::new(attributes));
        self
    }

    /// Adds attributes to the metrics of Commands. Each combination of values is one time series, so there should be few. They
    /// are looked up for each call; without this function nothing is.
    #[must_use]
    pub fn command_metric_attributes(
        mut self,
        attributes: impl Fn(&About<'_>, Status) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.command_metric = Some(Box::new(attributes));
        self
    }

    /// Adds attributes to the metrics of Replies; see [`command_metric_attributes`](Self::command_metric_attributes).
    #[must_use]
    pub fn result_metric_attributes(
        mut self,
        attributes: impl Fn(&About<'_>) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.result_metric = Some(Box::new(attributes));
        self
    }

    /// Creates the hooks, and the instruments.
    pub fn build(self) -> OtelHooks<P, T::Tracer> {
        OtelHooks { parts: self.settings.build(&semconv::CLIENT), custom: self.custom }
    }
}

/// What is kept for a call. It is moved with the call, so a span is not in it but beside it, and one that is not recorded is not
/// kept at all.
#[derive(Debug)]
pub struct Call<S> {
    span: Option<Box<S>>,
    replies: u64,
    /// When its last Reply came. As a rule the call ends with it, and the clock is read once for both.
    replied_after: Option<Duration>,
    /// Whether the Command may have reached a server, as far as is known.
    is_sent: bool,
    is_described: bool,
    has_ended: bool,
}

impl<S> Call<S> {
    fn without_span() -> Self {
        let (is_sent, is_described, has_ended) = (true, false, false);
        Self { span: None, replies: 0, replied_after: None, is_sent, is_described, has_ended }
    }
}

impl<P, T> Hooks<P> for OtelHooks<P, T>
where
    P: Protocol,
    T: Tracer<Span: Send + 'static> + Send + Sync + 'static,
{
    type Call = Call<T::Span>;

    fn before_send<C: CommandOf<P>>(
        &self,
        command: &mut C,
        entry: &'static Entry,
    ) -> Result<Self::Call, Refused> {
        let carries = command.metadata().is_some();
        if self.parts.pre_sampler.is_never()
            && !self.parts.has_metrics
            && !(carries && self.parts.carries_unsampled)
        {
            return Ok(Call::without_span());
        }
        let known = self.parts.commands.get(entry, "Send", std::any::type_name::<C>);
        // All that is done with the span is done in there: it is large, and would be moved out.
        let (span, carried) = Context::map_current(|current| self.start(known.span, carries, current));
        if let Some(carried) = carried
            && let Some(metadata) = command.metadata()
        {
            self.parts.propagator.inject(&carried, metadata);
        }
        Ok(Call { span, ..Call::without_span() })
    }

    fn watches(&self, call: &Self::Call) -> bool {
        call.span.is_some() || self.parts.has_metrics
    }

    fn on_reply(&self, call: &mut Self::Call, reply: &P::Reply, about: &About<'_>) {
        let Some(entry) = about.reply() else { return };
        call.replies += 1;
        if self.parts.has_metrics {
            let after = about.elapsed();
            call.replied_after = Some(after);
            self.record_reply(entry, after, about);
        }
        if let Some(span) = &mut call.span {
            if let Some(attributes) = &self.custom.result_event {
                span.add_event(semconv::EVENT_RESULT, attributes(about, call.replies));
            }
            if !P::is_failure(reply) {
                self.describe(call, about);
            }
        }
        if P::is_failure(reply) {
            // Of a stream that ends so nothing more is told.
            self.fail(
                call,
                Status::Failed,
                entry.name,
                || format!("answered with {}", entry.name).into(),
                about,
            );
        }
    }

    fn on_error(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        self.fail_with(call, Status::Failed, error, about);
    }

    fn on_timeout(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        self.fail_with(call, Status::Timeout, error, about);
    }

    fn on_done(&self, call: &mut Self::Call, about: &About<'_>) {
        if call.has_ended {
            return;
        }
        self.describe(call, about);
        self.end(call, Status::Ok, about);
    }

    fn on_retry(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        if let Some(span) = &mut call.span {
            let mut attributes = attempt(about);
            attributes.push(KeyValue::new(semconv::ERROR_TYPE, format!("{:?}", error.kind())));
            span.add_event(semconv::EVENT_RETRY, attributes);
        }
    }

    fn on_hedge(&self, call: &mut Self::Call, about: &About<'_>) {
        if let Some(span) = &mut call.span {
            span.add_event(semconv::EVENT_HEDGE, attempt(about));
        }
    }
}

impl<P, T> OtelHooks<P, T>
where
    P: Protocol,
    T: Tracer<Span: Send + 'static>,
{
    /// Starts the span. Returns it if it is recorded, and the context for the Command, if it carries one.
    #[inline]
    fn start(
        &self,
        name: &'static str,
        carries: bool,
        current: &Context,
    ) -> (Option<Box<T::Span>>, Option<Carried>) {
        let carries_unsampled = carries && self.parts.carries_unsampled;
        let propagator = &self.parts.propagator;
        if let Verdict::Dropped(context) =
            self.parts.pre_sampler.decide(current, name, &SpanKind::Client, carries_unsampled)
        {
            return (None, context.map(|context| propagator.carried(current, Some(context))));
        }
        let mut builder = SpanBuilder::from_name(name);
        builder.span_kind = Some(SpanKind::Client); // `with_kind` would move it, and it is large
        let span = self.parts.tracer.build_with_context(builder, current);
        let context = span.span_context();
        let carried = if !carries {
            None
        } else if !context.is_valid() {
            Some(propagator.carried(current, None))
        } else if context.is_sampled() || carries_unsampled {
            Some(propagator.carried(current, Some(context.clone())))
        } else {
            None
        };
        (span.is_recording().then(|| Box::new(span)), carried)
    }

    fn fail_with(&self, call: &mut Call<T::Span>, status: Status, error: &Error, about: &About<'_>) {
        call.is_sent = error.was_sent();
        call.replied_after = None; // it has ended later than that
        self.fail(call, status, &format!("{:?}", error.kind()), || format!("{error:#}").into(), about);
    }

    /// The call has failed. `text` says why.
    fn fail(
        &self,
        call: &mut Call<T::Span>,
        status: Status,
        error_type: &str,
        text: impl FnOnce() -> Cow<'static, str>,
        about: &About<'_>,
    ) {
        if let Some(span) = &mut call.span {
            let error_type = if self.parts.is_go { String::new() } else { error_type.to_owned() };
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error_type));
            span.set_status(SpanStatus::error(text()));
            self.describe(call, about);
        }
        self.end(call, status, about);
    }

    /// Sets the attributes of the span, once.
    fn describe(&self, call: &mut Call<T::Span>, about: &About<'_>) {
        if call.is_described || call.span.is_none() {
            return;
        }
        call.is_described = true;
        let (seq, size) = self.seq_and_size(call, about);
        let Some(span) = &mut call.span else { return };
        if let Some(attributes) = &self.custom.span {
            span.set_attributes(attributes(about));
        }
        let server = match &self.custom.server {
            Some(server) => Some(server.clone()),
            None if self.parts.is_go => Some(Address::undefined()),
            None => about.peer().as_ref().and_then(Address::of),
        };
        span.set_attributes(server.into_iter().flat_map(Address::attributes));
        if let Some(seq) = seq {
            span.set_attribute(KeyValue::new(semconv::COMMAND_SEQ, seq));
        }
        if let Some(size) = size {
            span.set_attribute(KeyValue::new(semconv::COMMAND_SIZE, size));
        }
    }

    /// The seq of the Command and the size of its frame, which has the seq in it.
    fn seq_and_size(&self, call: &Call<T::Span>, about: &About<'_>) -> (Option<i64>, Option<i64>) {
        match (about.seq(), about.size()) {
            (Some(seq), Some(size)) if call.is_sent => (Some(seq), i64::try_from(size + seq_len(seq)).ok()),
            _ if self.parts.is_go => (Some(0), Some(0)),
            _ => (None, None),
        }
    }

    fn record_reply(&self, reply: &'static Entry, duration: Duration, about: &About<'_>) {
        let Some(command) = self.parts.commands.seen(about.entry()) else { return };
        let size = about.reply_size().zip(about.seq()).map(|(size, seq)| (size + seq_len(seq)) as u64);
        let custom = self.custom.result_metric.as_ref().map(|attributes| attributes(about));
        self.parts.commands.replied(command, reply, Measured { size, duration }, custom);
    }

    fn end(&self, call: &mut Call<T::Span>, status: Status, about: &About<'_>) {
        if call.has_ended {
            return;
        }
        call.has_ended = true;
        // Go records nothing of a Command that it could not send.
        if self.parts.has_metrics
            && (!self.parts.is_go || call.is_sent)
            && let Some(command) = self.parts.commands.seen(about.entry())
        {
            let size = self.seq_and_size(call, about).1.and_then(|size| u64::try_from(size).ok());
            let custom = self.custom.command_metric.as_ref().map(|attributes| attributes(about, status));
            let duration = call.replied_after.unwrap_or_else(|| about.elapsed());
            self.parts.commands.ended(command, status, Measured { size, duration }, custom);
        }
        if let Some(span) = &mut call.span {
            span.end();
        }
    }
}

/// What tells one attempt from the others.
fn attempt(about: &About<'_>) -> Vec<KeyValue> {
    let member = about.member().and_then(|member| i64::try_from(member).ok());
    let member = member.map(|member| KeyValue::new(semconv::MEMBER, member));
    let attempt = KeyValue::new(semconv::ATTEMPT, i64::from(about.attempt()));
    [member, Some(attempt)].into_iter().flatten().collect()
}

/// The bytes that a seq takes on the wire: seven bits in each.
fn seq_len(seq: i64) -> usize {
    let bits = u64::BITS - (seq.cast_unsigned() | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

impl<P, T> fmt::Debug for OtelHooks<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelHooks").field("go_compatible", &self.parts.is_go).finish_non_exhaustive()
    }
}

impl<P, T> fmt::Debug for HooksBuilder<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HooksBuilder").field("go_compatible", &self.settings.is_go).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::seq_len;

    #[test]
    fn a_seq_takes_a_byte_for_each_seven_bits() {
        for (seq, len) in
            [(0, 1), (1, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (i64::MAX, 9), (-1, 10)]
        {
            assert_eq!(seq_len(seq), len, "{seq}");
        }
    }
}
