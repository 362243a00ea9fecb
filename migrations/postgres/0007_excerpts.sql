-- What is kept of the call that went wrong in an attempt: JSON, or NULL if it made none, as everything that failed before this.
ALTER TABLE queue_errors ADD COLUMN excerpt text;
