"""Reading what an app says about a function."""

from modal_proto import api_pb2 as api

__all__ = ["concurrency", "described", "period_seconds", "public_name", "retry_delay_seconds", "with_options"]

MINUTES = 60  # seconds
HOURS = 60 * MINUTES
DAYS = 24 * HOURS

SAME_NAME = ("timeout_secs", "max_concurrent_inputs", "target_concurrent_inputs", "batch_max_size", "batch_linger_ms")
AUTOSCALER = {
    "concurrency_limit": "max_containers",
    "buffer_containers": "buffer_containers",
    "task_idle_timeout_secs": "scaledown_window",
    "warm_pool_size": "min_containers",
}
LONGEST_DELAY_MS = 60_000


def public_name(definition: api.Function) -> str:
    """Give the name of a function, or of the class that a service function is for."""
    return definition.function_name.removesuffix(".*")


def period_seconds(definition: api.Function) -> float | None:
    """How often a function is to run, if it has a Period."""
    if not definition.schedule.HasField("period"):
        return None
    period = definition.schedule.period
    days = period.days + 7 * period.weeks + 30 * period.months + 365 * period.years
    return period.seconds + MINUTES * period.minutes + HOURS * period.hours + DAYS * days


def retry_delay_seconds(policy: api.FunctionRetryPolicy, failures: int) -> float:
    """How long to wait after so many failures; never quite zero, so that a retry is always asynchronous."""
    delay = policy.initial_delay_ms * policy.backoff_coefficient**failures
    return max(min(delay, policy.max_delay_ms or LONGEST_DELAY_MS), 1) / 1000


def concurrency(definition: api.Function) -> int:
    """How many inputs a container is to have at once."""
    return definition.target_concurrent_inputs or definition.max_concurrent_inputs or definition.batch_max_size or 1


def with_options(definition: api.Function, options: api.FunctionOptions | None) -> api.Function:
    """Give a function as `Cls.with_options` changes it."""
    changed = api.Function()
    changed.CopyFrom(definition)
    if options is None:
        return changed
    if options.replace_secret_ids:
        changed.secret_ids[:] = options.secret_ids
    if options.replace_volume_mounts:
        del changed.volume_mounts[:]
        changed.volume_mounts.extend(options.volume_mounts)
    if options.HasField("resources"):
        changed.resources.MergeFrom(options.resources)
    if options.HasField("retry_policy"):
        changed.retry_policy.MergeFrom(options.retry_policy)
    for name in SAME_NAME:
        if options.HasField(name):  # type: ignore[arg-type]  # the stubs list the names as literals
            setattr(changed, name, getattr(options, name))
    for ours, theirs in AUTOSCALER.items():
        if options.HasField(ours):  # type: ignore[arg-type]  # the same
            setattr(changed.autoscaler_settings, theirs, getattr(options, ours))
    return changed


def described(app_id: str, definition: api.Function) -> api.FunctionHandleMetadata:
    """Describe a function, and the methods if it is a class's, to those who call it."""

    def common(
        of: api.Function | api.MethodDefinition,
        **more: object,
    ) -> api.FunctionHandleMetadata:
        return api.FunctionHandleMetadata(
            app_id=app_id,
            function_name=of.function_name,
            function_type=of.function_type,
            web_url=of.web_url,
            function_schema=of.function_schema,
            supported_input_formats=of.supported_input_formats,
            supported_output_formats=of.supported_output_formats,
            **more,  # type: ignore[arg-type]  # checked where it is given
        )

    told = common(definition, is_method=definition.is_method, class_parameter_info=definition.class_parameter_info)
    for name, method in definition.method_definitions.items():
        told.method_handle_metadata[name].CopyFrom(common(method, is_method=True, use_method_name=name))
    return told
