// Takes the picture of a conversation for the README: the two pages as they run, side by side in one
// browser window, against a running server with a fresh demo shop. `node picture.mjs FILE [dark] [zh]`

import { Buyer, launch, need, url } from './people.mjs';

const [file, ...how] = process.argv.slice(2);
const zh = how.includes('zh');
const words = zh ? {
  ask: '你好！这把粗陶茶壶还有货吗？能赶在周五前送到吗？',
  answer: '您好！有货，今天就能发出，周四送达。',
  more: '太好了。配对杯一起买有优惠吗？',
  last: '有的，一起买立减 €5，结账时自动抵扣。',
  others: [['林', '请问订单 1042 发货了吗？'], ['Marta', 'Can I change the delivery address?']],
} : {
  ask: 'Hello! Is the stoneware teapot in stock? I need it by Friday.',
  answer: 'Hi! It is, and it can leave today. You would have it on Thursday.',
  more: 'Perfect. Is there a price for the teapot and the cups together?',
  last: 'There is: €5 off the pair, taken off at the checkout by itself.',
  others: [['Jonas', 'Has order 1042 been sent yet?'], ['小雨', '请问春茶乌龙什么时候补货？']],
};

const browser = await launch();
const options = { locale: zh ? 'zh-CN' : 'en-GB', colorScheme: how.includes('dark') ? 'dark' : 'light' };
try {
  for (const [name, text] of words.others) {
    const other = await Buyer.arrives(browser, name, options);
    await other.says(text);
    await other.seesTick(text, 'stored');
  }
  const context = await browser.newContext({ ...options, viewport: { width: 1560, height: 820 } });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const layout = `<!doctype html><style>
    html { height: 100%; background: ${how.includes('dark') ? '#0a0d0c' : '#cfd6d1'} }
    body { margin: 0; height: 100%; box-sizing: border-box; padding: 14px; display: grid; grid: 100% / 680px 1fr; gap: 14px }
    iframe { width: 100%; height: 100%; border: 0; border-radius: 12px }
    </style><iframe name="demo" src="/demo"></iframe><iframe name="agent" src="/agent"></iframe>`;
  await page.route(`${url}/side-by-side`, (route) => route.fulfill({ contentType: 'text/html', body: layout }));
  await page.goto(`${url}/side-by-side`, { waitUntil: 'load' });
  const demo = page.frame({ name: 'demo' });
  const agent = page.frame({ name: 'agent' });

  await agent.locator('input[name=uid]').first().fill(need('AGENT_UID'));
  await agent.locator('input[name=password]').fill(need('AGENT_PASSWORD'));
  await agent.locator('#login [type=submit]').click();

  const say = async (frame, text) => {
    const input = frame.locator('.composer:visible textarea');
    await input.fill(text);
    await input.press('Enter');
    for (const side of [demo, agent]) await side.locator('.thread .row:not(.pending)', { hasText: text }).waitFor();
  };
  await demo.locator('.product#teapot button').evaluate((button) => button.click());
  const item = agent.locator('.list .item', { hasText: zh ? '粗陶茶壶' : 'Stoneware teapot' });
  await item.click();
  await say(demo, words.ask);
  await agent.locator('[data-act="claim"]').click();
  await say(agent, words.answer);
  await say(demo, words.more);
  await say(agent, words.last);
  await agent.locator('.row.own .tick[data-state="read"]').nth(1).waitFor();
  await agent.locator('.tabs [data-tab="waiting"]').click();
  await demo.locator('.composer textarea').pressSequentially(zh ? '谢' : 'Tha');
  await agent.locator('.typing:not([hidden])').waitFor();
  await page.mouse.move(0, 0);
  await page.waitForTimeout(300);
  await page.screenshot({ path: file });
} finally {
  await browser.close();
}
