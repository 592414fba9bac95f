//! The server's side: a span for each Command that it runs, and its metrics.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use cmd_stream::Failed;
use cmd_stream::proto::frame::Seq;
use cmd_stream::protocol::{Entry, Protocol};
use cmd_stream::server::{Connection, Ended, EndedLater, Invocation, Invoker, Replied};
use opentelemetry::global::GlobalTracerProvider;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanKind, Status as SpanStatus, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::ShouldSample;
use pin_project_lite::pin_project;

use crate::Status;
use crate::commands::Measured;
use crate::pre_sampler::{PreSampler, Verdict};
use crate::propagation::Propagator;
use crate::semconv;
use crate::settings::{Address, Parts, Settings, is_noop, shared_settings};

/// An [Invoker] that makes a span for each Command of a server, and records the metrics of the server.
///
/// The span has the name `Invoke <Command>`. Its parent is what a [`Traced`](crate::Traced) Command carries; without that it
/// has none. It is the current OpenTelemetry context while the Command runs, and so the parent of the spans that the Command
/// makes.
///
/// It passes each Command on to the Invokers that are added after it, and surrounds them.
///
/// ```
/// # use cmd_stream::{Answer, Context, Failed, Json, Server, Command, protocol, protocol::kind::Plain};
/// # use serde::{Deserialize, Serialize};
/// # struct Calc;
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # impl Command for Add { type Reply = Sum; type Kind = Plain; }
/// # impl Answer<Calc> for Add {
/// #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.a + self.b)) }
/// # }
/// use cmd_stream_otel::{OtelInvoker, Traced};
///
/// # protocol! {
/// #     struct Calculator { commands { 0 => Traced<Add> as Add } replies { 0 => Sum } failure close_connection }
/// # }
/// # async fn example() -> Result<(), cmd_stream::Error> {
/// let server = Server::builder(Calculator, Json, Calc).invoker(OtelInvoker::new()).bind("0.0.0.0:9000").await?;
/// # let _ = server; Ok(()) }
/// ```
pub struct OtelInvoker<P, T> {
    parts: Parts<P, T>,
    custom: Custom,
}

/// The settings of [`OtelInvoker`], from [`OtelInvoker::builder`].
pub struct InvokerBuilder<P, T = GlobalTracerProvider> {
    settings: Settings<T>,
    custom: Custom,
    protocol: PhantomData<fn() -> P>,
}

/// A Command that a server has received: what the functions of the user get.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Received<'a> {
    /// The tag and the name of the Command.
    pub entry: &'static Entry,
    /// Its number on its connection.
    pub seq: Seq,
    /// Its bytes on the wire, including seq and tag.
    pub size: usize,
    /// The connection that it came on.
    pub connection: &'a Connection,
}

type OfCommand = Box<dyn Fn(&Received<'_>) -> Vec<KeyValue> + Send + Sync>;
type OfEvent = Box<dyn Fn(&Replied<'_>, u64) -> Vec<KeyValue> + Send + Sync>;
type OfReply = Box<dyn Fn(&Replied<'_>) -> Vec<KeyValue> + Send + Sync>;

/// What the user sets.
#[derive(Default)]
struct Custom {
    span: Option<OfCommand>,
    result_event: Option<OfEvent>,
    command_metric: Option<OfCommand>,
    result_metric: Option<OfReply>,
}

impl<P: Protocol> OtelInvoker<P, <GlobalTracerProvider as TracerProvider>::Tracer> {
    /// Creates an Invoker with the default settings and the global providers, which must have been set before.
    #[expect(clippy::new_without_default, reason = "it depends on what is global")]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts to build an Invoker with other settings.
    pub fn builder() -> InvokerBuilder<P> {
        InvokerBuilder { settings: Settings::new(), custom: Custom::default(), protocol: PhantomData }
    }
}

impl<P: Protocol, T: TracerProvider> InvokerBuilder<P, T> {
    shared_settings!(InvokerBuilder);

    /// Sets whether the span of a Command is the current context while the Command runs even if it is not sampled, so that the
    /// spans that the Command makes are not sampled either. The default is `true`. With `false` such a Command allocates
    /// nothing, and its spans are the roots of their own traces.
    #[must_use]
    pub fn carry_unsampled(mut self, carries: bool) -> Self {
        self.settings.carries_unsampled = carries;
        self
    }

    /// Adds attributes to each span that is recorded, before the others. If this function panics, or another one that gives
    /// attributes, there are none of it.
    #[must_use]
    pub fn span_attributes(
        mut self,
        attributes: impl Fn(&Received<'_>) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.span = Some(Box::new(attributes));
        self
    }

    /// Adds attributes to the event `result` of each Reply, before the others. The function gets the number of the Reply, from
    /// 1.
    #[must_use]
    pub fn result_event_attributes(
        mut self,
        attributes: impl Fn(&Replied<'_>, u64) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.result_event = Some(Box::new(attributes));
        self
    }

    /// Adds attributes to the metrics of Commands. Each combination of values is one time series, so there should be few. They
    /// are looked up for each Command; without this function nothing is.
    #[must_use]
    pub fn command_metric_attributes(
        mut self,
        attributes: impl Fn(&Received<'_>) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.command_metric = Some(Box::new(attributes));
        self
    }

    /// Adds attributes to the metrics of Replies; see [`command_metric_attributes`](Self::command_metric_attributes).
    #[must_use]
    pub fn result_metric_attributes(
        mut self,
        attributes: impl Fn(&Replied<'_>) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.custom.result_metric = Some(Box::new(attributes));
        self
    }

    /// Creates the Invoker, and the instruments.
    pub fn build(self) -> OtelInvoker<P, T::Tracer> {
        OtelInvoker { parts: self.settings.build(&semconv::SERVER), custom: self.custom }
    }
}

/// The context of a Command that runs.
enum Kept {
    Recorded(Arc<Recorded>),
    Unsampled(Context),
}

/// What is kept of a Command whose span is recorded, for its Replies.
struct Recorded {
    context: Context,
    replies: AtomicI64,
    /// Which of [`RETURNED`] and [`LAST_REPLY`] has happened.
    state: AtomicU8,
}

/// The Command has returned, and has handed its Replies over to somebody else.
const RETURNED: u8 = 1;
/// The last Reply was sent.
const LAST_REPLY: u8 = 2;

impl Kept {
    fn context(&self) -> &Context {
        match self {
            Self::Recorded(recorded) => &recorded.context,
            Self::Unsampled(context) => context,
        }
    }
}

impl<P, T> Invoker<P> for OtelInvoker<P, T>
where
    P: Protocol,
    T: Tracer<Span: Send + Sync + 'static> + Send + Sync + 'static,
{
    const SEES_REPLIES: bool = true;

    // Not an `async fn`, which would move the Command two times more.
    fn invoke(
        &self,
        mut invocation: impl Invocation<P>,
    ) -> impl Future<Output = Result<Ended, Failed>> + Send {
        let kept = self.begin(&mut invocation);
        let measures = self.parts.has_metrics.then(|| {
            let custom = self.custom.command_metric.as_ref();
            let custom = custom.map(|attributes| contained(|| attributes(&received(&invocation))));
            let (entry, size, began) = (invocation.entry(), invocation.size(), invocation.received_at());
            Measures { entry, size, elapsed: move || began.elapsed(), custom }
        });
        Within { future: invocation.run(), invoker: self, kept, measures }
    }

    fn on_reply(&self, reply: &Replied<'_>) {
        if self.parts.has_metrics
            && let Some(command) = self.parts.commands.seen(reply.command())
        {
            let custom = self.custom.result_metric.as_ref();
            let custom = custom.map(|attributes| contained(|| attributes(reply)));
            let duration = reply.received_at().elapsed();
            let measured = Measured { size: Some(reply.size() as u64), duration };
            self.parts.commands.replied(command, reply.entry(), measured, custom);
        }
        let Some(recorded) = reply.extension::<Arc<Recorded>>() else { return };
        let number = recorded.replies.fetch_add(1, Relaxed) + 1;
        let custom = self.custom.result_event.as_ref();
        let custom = custom.map(|attributes| contained(|| attributes(reply, number.cast_unsigned())));
        let mut attributes = custom.unwrap_or_default();
        attributes.extend([
            KeyValue::new(semconv::RESULT_SEQ, number),
            KeyValue::new(semconv::RESULT_SIZE, reply.size() as i64),
            KeyValue::new(semconv::RESULT_TYPE, reply.entry().name),
        ]);
        let span = recorded.context.span();
        span.add_event(semconv::EVENT_RESULT, attributes);
        if !reply.is_last() {
            return;
        }
        // Before the state says so: a Command that returns now ends the span.
        if P::FAILURE == Some(reply.entry().name) {
            span.set_status(SpanStatus::error(format!("answered with {}", reply.entry().name)));
        }
        if recorded.state.fetch_or(LAST_REPLY, Relaxed) & RETURNED != 0 {
            span.end();
        }
    }

    fn on_end(&self, ended: &EndedLater<'_>) {
        // Go measures a Command until it returns.
        if !self.parts.has_metrics || self.parts.is_go {
            return;
        }
        let (entry, seq, size) = (ended.command(), ended.seq(), ended.size());
        let received = Received { entry, seq, size, connection: ended.connection() };
        let custom = self.custom.command_metric.as_ref();
        let custom = custom.map(|attributes| contained(|| attributes(&received)));
        self.measure(entry, ended.has_failed(), size, ended.took(), custom);
    }
}

impl<P, T> OtelInvoker<P, T>
where
    P: Protocol,
    T: Tracer<Span: Send + Sync + 'static>,
{
    /// Records the metrics of a Command that has ended.
    fn measure(
        &self,
        entry: &'static Entry,
        has_failed: bool,
        size: usize,
        duration: Duration,
        custom: Option<Vec<KeyValue>>,
    ) {
        let Some(command) = self.parts.commands.seen(entry) else { return };
        let status = if has_failed { Status::Failed } else { Status::Ok };
        self.parts.commands.ended(command, status, Measured { size: Some(size as u64), duration }, custom);
    }

    /// Starts the span. Returns the context for the Command, if there is one that matters.
    fn begin(&self, invocation: &mut impl Invocation<P>) -> Option<Kept> {
        let carries_unsampled = self.parts.carries_unsampled;
        if self.parts.pre_sampler.is_never() && !self.parts.has_metrics && !carries_unsampled {
            return None;
        }
        let known = self.parts.commands.get(invocation.entry(), "Invoke", || invocation.type_name());
        let carried = invocation.metadata().and_then(|metadata| self.parts.propagator.extract(metadata));
        let parent = carried.unwrap_or_default();
        if let Verdict::Dropped(context) =
            self.parts.pre_sampler.decide(&parent, known.span, &SpanKind::Server, carries_unsampled)
        {
            return context.map(|context| Kept::Unsampled(parent.with_remote_span_context(context)));
        }
        let mut builder = SpanBuilder::from_name(known.span);
        builder.span_kind = Some(SpanKind::Server); // `with_kind` would move it, and it is large
        let mut span = self.parts.tracer.build_with_context(builder, &parent);
        if span.is_recording() {
            if let Some(attributes) = &self.custom.span {
                span.set_attributes(contained(|| attributes(&received(invocation))));
            }
            let peer = Address::of(invocation.peer());
            span.set_attributes(peer.into_iter().flat_map(Address::attributes));
            let context = parent.with_span(span);
            let recorded = Recorded { context, replies: AtomicI64::new(0), state: AtomicU8::new(0) };
            let recorded = Arc::new(recorded);
            invocation.extensions().insert(Arc::clone(&recorded));
            return Some(Kept::Recorded(recorded));
        }
        // Its context is enough for what the Command makes, and takes less than the span.
        let context = span.span_context();
        let is_carried = carries_unsampled && context.is_valid();
        is_carried.then(|| Kept::Unsampled(parent.with_remote_span_context(context.clone())))
    }

    /// The Command has returned.
    #[inline]
    fn returned<E: FnOnce() -> Duration>(
        &self,
        kept: Option<Kept>,
        measures: Option<Measures<E>>,
        ended: &Result<Ended, Failed>,
    ) {
        if let Some(Measures { entry, size, elapsed, custom }) = measures
            && (self.parts.is_go || !matches!(ended, Ok(Ended::HandedOver)))
        {
            self.measure(entry, ended.is_err(), size, elapsed(), custom);
        }
        if let Some(Kept::Recorded(recorded)) = kept {
            self.end(&recorded, ended);
        }
    }

    /// Ends the span, if its Command has.
    fn end(&self, recorded: &Recorded, ended: &Result<Ended, Failed>) {
        let span = recorded.context.span();
        if matches!(ended, Ok(Ended::HandedOver))
            && !self.parts.is_go
            && recorded.state.fetch_or(RETURNED, Relaxed) & LAST_REPLY == 0
        {
            return; // the span ends with the last Reply, or when nobody can send one any more
        }
        if let Err(failed) = ended {
            span.set_status(SpanStatus::error(format!("{failed:#}")));
            let reason = if self.parts.is_go { String::new() } else { format!("{:?}", failed.reason()) };
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, reason));
        }
        span.end();
    }
}

/// Attributes of the user. A panic in their function must not fail the Command: then there are none.
fn contained(attributes: impl FnOnce() -> Vec<KeyValue>) -> Vec<KeyValue> {
    catch_unwind(AssertUnwindSafe(attributes)).unwrap_or_else(|payload| {
        std::mem::forget(payload); // its destructor may panic again
        Vec::new()
    })
}

fn received<P: Protocol>(invocation: &impl Invocation<P>) -> Received<'_> {
    Received {
        entry: invocation.entry(),
        seq: invocation.seq(),
        size: invocation.size(),
        connection: invocation.connection(),
    }
}

/// What the metrics of a Command need when it has returned.
struct Measures<E> {
    entry: &'static Entry,
    size: usize,
    /// Returns the time since it was received.
    elapsed: E,
    custom: Option<Vec<KeyValue>>,
}

pin_project! {
    /// A Command that runs, with its context as the current one.
    struct Within<'a, P, T, F, E> {
        #[pin]
        future: F,
        invoker: &'a OtelInvoker<P, T>,
        kept: Option<Kept>,
        measures: Option<Measures<E>>,
    }
}

impl<P, T, F, E> Future for Within<'_, P, T, F, E>
where
    P: Protocol,
    T: Tracer<Span: Send + Sync + 'static>,
    F: Future<Output = Result<Ended, Failed>>,
    E: FnOnce() -> Duration,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let attached = this.kept.as_ref().map(|kept| kept.context().clone().attach());
        let ended = ready!(this.future.poll(cx));
        drop(attached);
        this.invoker.returned(this.kept.take(), this.measures.take(), &ended);
        Poll::Ready(ended)
    }
}

impl<P, T> fmt::Debug for OtelInvoker<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelInvoker").field("go_compatible", &self.parts.is_go).finish_non_exhaustive()
    }
}

impl<P, T> fmt::Debug for InvokerBuilder<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvokerBuilder").field("go_compatible", &self.settings.is_go).finish_non_exhaustive()
    }
}
