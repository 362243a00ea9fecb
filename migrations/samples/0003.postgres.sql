-- Rows that are valid after migration 0003: messages on their way in every state, and one of everything beside them.

INSERT INTO messages
    (tenant_id, id, channel, provider, external_id, contact_id, status, figures, error_code, recipient, content,
     recipient_hash, class, fingerprint, language, template_name, template_version, tags, scheduled_at, attempts,
     attempt_state, looked_at, created_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '00000035-0000-4000-8000-000000000035', 'sms', NULL, NULL, '00000021-0000-4000-8000-000000000021', 'queued', 0, NULL, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'transactional', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'fr', 'welcome', 1, '["spring"]', 1767225600000, 0, NULL, NULL, 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '00000036-0000-4000-8000-000000000036', 'whatsapp', 'twilio', 'SM1', '0000001f-0000-4000-8000-00000000001f', 'read', 15, NULL, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'code', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'en', NULL, NULL, NULL, NULL, 2, 'sent', NULL, 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '00000037-0000-4000-8000-000000000037', 'sms', 'twilio', NULL, '00000021-0000-4000-8000-000000000021', 'queued', 0, 'timeout', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'critical', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, NULL, NULL, NULL, NULL, 1, 'unclear', 1767225600000, 1767225600000);

INSERT INTO message_events
    (id, tenant_id, message_id, kind, provider, word, occurred_at, recorded_at, error_code, permanence, cause, by_machine,
     recipient_hash, url, raw) VALUES
    ('00000040-0000-4000-8000-000000000040', '00000001-0000-4000-8000-000000000001', '00000036-0000-4000-8000-000000000036', 'read', 'twilio', 'read', 1767225600000, 1767225600000, NULL, NULL, 'other', FALSE, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0'),
    ('00000041-0000-4000-8000-000000000041', '00000001-0000-4000-8000-000000000001', NULL, 'bounced', 'sendgrid', 'bounce', 1767225600000, 1767225600000, '5.1.1', 'permanent', 'no_such_recipient', FALSE, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0'),
    ('00000042-0000-4000-8000-000000000042', '00000001-0000-4000-8000-000000000001', '00000037-0000-4000-8000-000000000037', 'unclear', NULL, NULL, 1767225600000, 1767225600000, 'timeout', NULL, NULL, FALSE, NULL, NULL, NULL);

INSERT INTO message_attempts
    (tenant_id, message_id, number, provider, credential_id, state, external_id, code, started_at, ended_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '00000036-0000-4000-8000-000000000036', 1, 'green_api', NULL, 'rejected', NULL, '466', 1767225600000, 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '00000036-0000-4000-8000-000000000036', 2, 'twilio', '00000047-0000-4000-8000-000000000047', 'sent', 'SM1', NULL, 1767225600000, 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '00000037-0000-4000-8000-000000000037', 1, 'twilio', '00000047-0000-4000-8000-000000000047', 'unclear', NULL, 'timeout', 1767225600000, 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '00000035-0000-4000-8000-000000000035', 1, 'twilio', '00000047-0000-4000-8000-000000000047', 'intended', NULL, NULL, 1767225600000, NULL);

INSERT INTO delivery_daily
    (tenant_id, day, channel, provider, shard, accepted, sent, delivered, read, opened, clicked, failed, undelivered,
     bounced, complained, unsubscribed, canceled, expired) VALUES
    ('00000001-0000-4000-8000-000000000001', 20454, 'whatsapp', 'twilio', 6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ('00000002-0000-4000-8000-000000000002', 20454, 'sms', 'none', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0);

INSERT INTO suppressions
    (id, tenant_id, channel, recipient_hash, reason, since, lifted_at, source, recipient) VALUES
    ('00000051-0000-4000-8000-000000000051', '00000001-0000-4000-8000-000000000001', 'sms', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'stop', 1767225600000, NULL, 'reply', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0'),
    ('00000052-0000-4000-8000-000000000052', '00000001-0000-4000-8000-000000000001', 'email', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'unsubscribed', 1767225600000, 1767225600001, 'sendgrid', NULL),
    ('00000053-0000-4000-8000-000000000053', '00000002-0000-4000-8000-000000000002', 'sms', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'stop', NULL, 1767225600000, 'reply', NULL);

INSERT INTO templates
    (id, tenant_id, name, language, version, subject, text, html, provider_content_id, created_at, superseded_at) VALUES
    ('0000005b-0000-4000-8000-00000000005b', '00000001-0000-4000-8000-000000000001', 'welcome', 'fr', 1, 'Bienvenue', 'Bonjour {{name}}', '<p>Bonjour {{name}}</p>', NULL, 1767225600000, 1767225600001),
    ('0000005c-0000-4000-8000-00000000005c', '00000001-0000-4000-8000-000000000001', 'welcome', 'fr', 2, NULL, NULL, NULL, 'HX1', 1767225600001, NULL);

INSERT INTO credentials (tenant_id, id, provider, label, clear, previous, preview, created_at, rotated_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '00000047-0000-4000-8000-000000000047', 'twilio', 'main', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'AC12…9f', 1767225600000, 1767225600000),
    ('00000001-0000-4000-8000-000000000001', '00000048-0000-4000-8000-000000000048', 'smtp', 'mail', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, 'mail.example.com', 1767225600000, NULL);

INSERT INTO routes (tenant_id, channel, position, credential_id) VALUES
    ('00000001-0000-4000-8000-000000000001', 'sms', 0, '00000047-0000-4000-8000-000000000047'), ('00000001-0000-4000-8000-000000000001', 'whatsapp', 0, '00000047-0000-4000-8000-000000000047'), ('00000001-0000-4000-8000-000000000001', 'email', 0, '00000048-0000-4000-8000-000000000048');

INSERT INTO circuits (tenant_id, credential_id, state, failures, until, epoch, changed_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '00000047-0000-4000-8000-000000000047', 'closed', 2, NULL, 0, 1767225600000), ('00000001-0000-4000-8000-000000000001', '00000048-0000-4000-8000-000000000048', 'half_open', 5, 1767225600000, 3, 1767225600000);

INSERT INTO interactions (id, tenant_id, contact_id, status, reason, intent, creator, created_at, updated_at) VALUES
    ('0000002b-0000-4000-8000-00000000002b', '00000001-0000-4000-8000-000000000001', '0000001f-0000-4000-8000-00000000001f', 'todo', 'reply', 'yes', 'system', 1767225600000, 1767225600000);

INSERT INTO inbound_messages
    (id, tenant_id, channel, provider, external_id, contact_id, sender_hash, sender, recipient, text, raw, intent, answers,
     interaction_id, occurred_at, created_at) VALUES
    ('00000065-0000-4000-8000-000000000065', '00000001-0000-4000-8000-000000000001', 'sms', 'twilio', 'SM2', '0000001f-0000-4000-8000-00000000001f', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', 'yes', '00000036-0000-4000-8000-000000000036', '0000002b-0000-4000-8000-00000000002b', 1767225600000, 1767225600000);

INSERT INTO otp_challenges
    (tenant_id, id, channel, language, recipient, recipient_hash, code_key_id, caller, created_at, expires_at, tries_left,
     used_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '0000006f-0000-4000-8000-00000000006f', 'sms', 'en', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'k1', '0000000b-0000-4000-8000-00000000000b', 1767225600000, 1767225900000, 5, NULL),
    ('00000001-0000-4000-8000-000000000001', '00000070-0000-4000-8000-000000000070', 'email', 'fr', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'k1', '0000000b-0000-4000-8000-00000000000b', 1767225600000, 1767225900000, 0, NULL),
    ('00000002-0000-4000-8000-000000000002', '0000006f-0000-4000-8000-00000000006f', 'whatsapp', 'fr', '\xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0', '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 'k1', '0000000c-0000-4000-8000-00000000000c', 1767225600000, 1767225900000, 3, 1767225600001);

INSERT INTO tenant_settings
    (tenant_id, quiet_hours, language, tracking, sender_email, sender_sms, sender_whatsapp, updated_at) VALUES
    ('00000001-0000-4000-8000-000000000001', '{"from":"21:00","to":"08:00","zone":"Europe/Paris"}', 'fr', FALSE, '\xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', NULL, NULL, 1767225600000);
