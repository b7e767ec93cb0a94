/* The messages that open a stream, and what each does with its fields. */
#pragma once

#include "protocol.h"
#include "stream.h"

typedef void (*operation)(struct stream *stream, const struct field *fields);

/* NULL: a message of that kind opens nothing. */
operation operation_of(enum kind kind);

void operation_configure(struct stream *stream, const struct field *fields);
void operation_start(struct stream *stream, const struct field *fields);
void operation_attach(struct stream *stream, const struct field *fields);
void operation_signal(struct stream *stream, const struct field *fields);
void operation_resize(struct stream *stream, const struct field *fields);
void operation_forget(struct stream *stream, const struct field *fields);
void operation_sessions(struct stream *stream, const struct field *fields);
void operation_read(struct stream *stream, const struct field *fields);
void operation_write(struct stream *stream, const struct field *fields);
void operation_entries(struct stream *stream, const struct field *fields);
void operation_make_directory(struct stream *stream, const struct field *fields);
void operation_remove(struct stream *stream, const struct field *fields);
void operation_connect(struct stream *stream, const struct field *fields);
void operation_statistics(struct stream *stream, const struct field *fields);
void operation_limits(struct stream *stream, const struct field *fields);
