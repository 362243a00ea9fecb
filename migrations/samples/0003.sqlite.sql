-- Rows that are valid after migration 0003: messages on their way in every state, and one of everything beside them.

INSERT INTO messages
    (tenant_id, id, channel, provider, external_id, contact_id, status, figures, error_code, recipient, content,
     recipient_hash, class, fingerprint, language, template_name, template_version, tags, scheduled_at, attempts,
     attempt_state, looked_at, created_at) VALUES
    (x'00000001000040008000000000000001', x'00000035000040008000000000000035', 'sms', NULL, NULL, x'00000021000040008000000000000021', 'queued', 0, NULL, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'transactional', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'fr', 'welcome', 1, '["spring"]', 1767225600000, 0, NULL, NULL, 1767225600000),
    (x'00000001000040008000000000000001', x'00000036000040008000000000000036', 'whatsapp', 'twilio', 'SM1', x'0000001f00004000800000000000001f', 'read', 15, NULL, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'code', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'en', NULL, NULL, NULL, NULL, 2, 'sent', NULL, 1767225600000),
    (x'00000001000040008000000000000001', x'00000037000040008000000000000037', 'sms', 'twilio', NULL, x'00000021000040008000000000000021', 'queued', 0, 'timeout', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'critical', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, NULL, NULL, NULL, NULL, 1, 'unclear', 1767225600000, 1767225600000);

INSERT INTO message_events
    (id, tenant_id, message_id, kind, provider, word, occurred_at, recorded_at, error_code, permanence, cause, by_machine,
     recipient_hash, url, raw) VALUES
    (x'00000040000040008000000000000040', x'00000001000040008000000000000001', x'00000036000040008000000000000036', 'read', 'twilio', 'read', 1767225600000, 1767225600000, NULL, NULL, 'other', 0, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0'),
    (x'00000041000040008000000000000041', x'00000001000040008000000000000001', NULL, 'bounced', 'sendgrid', 'bounce', 1767225600000, 1767225600000, '5.1.1', 'permanent', 'no_such_recipient', 0, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0'),
    (x'00000042000040008000000000000042', x'00000001000040008000000000000001', x'00000037000040008000000000000037', 'unclear', NULL, NULL, 1767225600000, 1767225600000, 'timeout', NULL, NULL, 0, NULL, NULL, NULL);

INSERT INTO message_attempts
    (tenant_id, message_id, number, provider, credential_id, state, external_id, code, started_at, ended_at) VALUES
    (x'00000001000040008000000000000001', x'00000036000040008000000000000036', 1, 'green_api', NULL, 'rejected', NULL, '466', 1767225600000, 1767225600000),
    (x'00000001000040008000000000000001', x'00000036000040008000000000000036', 2, 'twilio', x'00000047000040008000000000000047', 'sent', 'SM1', NULL, 1767225600000, 1767225600000),
    (x'00000001000040008000000000000001', x'00000037000040008000000000000037', 1, 'twilio', x'00000047000040008000000000000047', 'unclear', NULL, 'timeout', 1767225600000, 1767225600000),
    (x'00000001000040008000000000000001', x'00000035000040008000000000000035', 1, 'twilio', x'00000047000040008000000000000047', 'intended', NULL, NULL, 1767225600000, NULL);

INSERT INTO delivery_daily
    (tenant_id, day, channel, provider, shard, accepted, sent, delivered, read, opened, clicked, failed, undelivered,
     bounced, complained, unsubscribed, canceled, expired) VALUES
    (x'00000001000040008000000000000001', 20454, 'whatsapp', 'twilio', 6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (x'00000002000040008000000000000002', 20454, 'sms', 'none', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0);

INSERT INTO suppressions
    (id, tenant_id, channel, recipient_hash, reason, since, lifted_at, source, recipient) VALUES
    (x'00000051000040008000000000000051', x'00000001000040008000000000000001', 'sms', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'stop', 1767225600000, NULL, 'reply', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0'),
    (x'00000052000040008000000000000052', x'00000001000040008000000000000001', 'email', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'unsubscribed', 1767225600000, 1767225600001, 'sendgrid', NULL),
    (x'00000053000040008000000000000053', x'00000002000040008000000000000002', 'sms', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'stop', NULL, 1767225600000, 'reply', NULL);

INSERT INTO templates
    (id, tenant_id, name, language, version, subject, text, html, provider_content_id, created_at, superseded_at) VALUES
    (x'0000005b00004000800000000000005b', x'00000001000040008000000000000001', 'welcome', 'fr', 1, 'Bienvenue', 'Bonjour {{name}}', '<p>Bonjour {{name}}</p>', NULL, 1767225600000, 1767225600001),
    (x'0000005c00004000800000000000005c', x'00000001000040008000000000000001', 'welcome', 'fr', 2, NULL, NULL, NULL, 'HX1', 1767225600001, NULL);

INSERT INTO credentials (tenant_id, id, provider, label, clear, previous, preview, created_at, rotated_at) VALUES
    (x'00000001000040008000000000000001', x'00000047000040008000000000000047', 'twilio', 'main', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'AC12…9f', 1767225600000, 1767225600000),
    (x'00000001000040008000000000000001', x'00000048000040008000000000000048', 'smtp', 'mail', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, 'mail.example.com', 1767225600000, NULL);

INSERT INTO routes (tenant_id, channel, position, credential_id) VALUES
    (x'00000001000040008000000000000001', 'sms', 0, x'00000047000040008000000000000047'), (x'00000001000040008000000000000001', 'whatsapp', 0, x'00000047000040008000000000000047'), (x'00000001000040008000000000000001', 'email', 0, x'00000048000040008000000000000048');

INSERT INTO circuits (tenant_id, credential_id, state, failures, until, epoch, changed_at) VALUES
    (x'00000001000040008000000000000001', x'00000047000040008000000000000047', 'closed', 2, NULL, 0, 1767225600000), (x'00000001000040008000000000000001', x'00000048000040008000000000000048', 'half_open', 5, 1767225600000, 3, 1767225600000);

INSERT INTO interactions (id, tenant_id, contact_id, status, reason, intent, creator, created_at, updated_at) VALUES
    (x'0000002b00004000800000000000002b', x'00000001000040008000000000000001', x'0000001f00004000800000000000001f', 'todo', 'reply', 'yes', 'system', 1767225600000, 1767225600000);

INSERT INTO inbound_messages
    (id, tenant_id, channel, provider, external_id, contact_id, sender_hash, sender, recipient, text, raw, intent, answers,
     interaction_id, occurred_at, created_at) VALUES
    (x'00000065000040008000000000000065', x'00000001000040008000000000000001', 'sms', 'twilio', 'SM2', x'0000001f00004000800000000000001f', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'yes', x'00000036000040008000000000000036', x'0000002b00004000800000000000002b', 1767225600000, 1767225600000);

INSERT INTO otp_challenges
    (tenant_id, id, channel, language, recipient, recipient_hash, code_key_id, caller, created_at, expires_at, tries_left,
     used_at) VALUES
    (x'00000001000040008000000000000001', x'0000006f00004000800000000000006f', 'sms', 'en', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'k1', x'0000000b00004000800000000000000b', 1767225600000, 1767225900000, 5, NULL),
    (x'00000001000040008000000000000001', x'00000070000040008000000000000070', 'email', 'fr', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'k1', x'0000000b00004000800000000000000b', 1767225600000, 1767225900000, 0, NULL),
    (x'00000002000040008000000000000002', x'0000006f00004000800000000000006f', 'whatsapp', 'fr', x'c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'k1', x'0000000c00004000800000000000000c', 1767225600000, 1767225900000, 3, 1767225600001);

INSERT INTO tenant_settings
    (tenant_id, quiet_hours, language, tracking, sender_email, sender_sms, sender_whatsapp, updated_at) VALUES
    (x'00000001000040008000000000000001', '{"from":"21:00","to":"08:00","zone":"Europe/Paris"}', 'fr', 0, x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, NULL, 1767225600000);
