// Signs stdin as Maesn does. The expression is the one of Maesn's webhook guide.
// Source: Maesn's documentation, "Webhooks", Node.js sample, read 2026-11-21.
const { createHmac } = require('crypto');
const rawBody = require('fs').readFileSync(0);
const secret = process.env.WEBHOOK_SECRET;
const signature = createHmac('sha256', secret).update(rawBody).digest('hex');
process.stdout.write(signature);
