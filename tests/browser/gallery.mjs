// Takes the pictures in docs/images: every page, in both languages, light and dark, on a desk and on a phone, against a running server with
// a fresh demo shop. `node gallery.mjs FOLDER`

import { Agent, Buyer, launch, need, url } from './people.mjs';

const folder = process.argv[2];
const TALK = {
  en: {
    said: ['Hello! Is the stoneware teapot in stock? I need it by Friday.', 'Perfect. Is there a price for the teapot and the cups together?'],
    answers: ['Hi! It is, and it can leave today. You would have it on Thursday.', 'There is: €5 off the pair, taken off at the checkout by itself.'],
    others: ['Has order 1042 been sent yet?', 'Can I change the delivery address?', 'Which tea goes with rain?'],
  },
  zh: {
    said: ['你好！这把粗陶茶壶还有货吗？能赶在周五前送到吗？', '太好了。配对杯一起买有优惠吗？'],
    answers: ['您好！有货，今天就能发出，周四送达。', '有的，一起买立减 €5，结账时自动抵扣。'],
    others: ['请问订单 1042 发货了吗？', '可以修改收货地址吗？', '请问春茶乌龙什么时候补货？'],
  },
};
const SIZES = { desk: { viewport: { width: 1280, height: 800 } }, phone: { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true } };

const browser = await launch();
const shoot = async (page, name) => {
  await page.waitForTimeout(400);
  await page.screenshot({ path: `${folder}/${name}.png` });
};
try {
  for (const [language, words] of Object.entries(TALK)) {
    const locale = language === 'zh' ? 'zh-CN' : 'en-GB';
    for (const text of words.others) {
      const other = await Buyer.arrives(browser, 'other', { locale });
      await other.says(text);
      await other.seesTick(text, 'stored');
      await other.page.context().close();
    }
    const agent = await Agent.signsIn(browser, need('AGENT_UID'), need('AGENT_PASSWORD'), { locale, viewport: SIZES.desk.viewport });
    const buyer = await Buyer.arrives(browser, 'buyer', { locale, viewport: SIZES.desk.viewport });
    await buyer.says(words.said[0]);
    await buyer.seesTick(words.said[0], 'stored');
    await agent.opens(words.said[0]);
    await agent.act('claim').click();
    await agent.says(words.answers[0]);
    await buyer.sees(words.answers[0]);
    await buyer.says(words.said[1]);
    await agent.sees(words.said[1]);
    await agent.says(words.answers[1]);
    await buyer.sees(words.answers[1]);
    await agent.seesTick(words.answers[1], 'read');
    for (const colorScheme of ['light', 'dark']) {
      for (const [size, options] of Object.entries(SIZES)) {
        const name = (what) => `${what}-${language}-${colorScheme}-${size}`;
        for (const { page } of [buyer, agent]) {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize(options.viewport);
        }
        await shoot(buyer.page, name('widget'));
        await shoot(agent.page, name('console'));
      }
    }
    const admin = agent.page;
    await admin.goto(`${url}/admin`);
    await admin.locator('#login input[name=uid]').fill(need('AGENT_UID'));
    await admin.locator('#login input[name=password]').fill(need('AGENT_PASSWORD'));
    await admin.keyboard.press('Enter');
    await admin.locator('.tiles .tile').first().waitFor();
    for (const colorScheme of ['light', 'dark']) {
      for (const [size, options] of Object.entries(SIZES)) {
        await admin.emulateMedia({ colorScheme });
        await admin.setViewportSize(options.viewport);
        await admin.goto(`${url}/admin#/${size === 'phone' ? 'board' : 'statistics'}`);
        await admin.reload();
        await admin.locator('.tiles .tile').first().waitFor();
        await shoot(admin, `dashboard-${language}-${colorScheme}-${size}`);
      }
    }
    await agent.page.context().close();
    await buyer.page.context().close();
  }
} finally {
  await browser.close();
}
