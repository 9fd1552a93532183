/**
 * Every string of the pages, in English and Chinese. The browser's language decides until the reader
 * chooses; elements with `data-t`, `data-t-placeholder` and `data-t-label` are filled from here.
 */

const KEPT = 'shopbell.language';

const WORDS = {
  // both pages
  lang_switch: ['中文', 'English'],
  lang_switch_label: ['切换到中文', 'Switch to English'],
  connecting: ['Connecting…', '正在连接…'],
  offline: ['Offline. What you write is sent as soon as the connection is back.', '已离线。恢复连接后会自动发送。'],
  write_message: ['Write a message', '输入消息'],
  send: ['Send', '发送'],
  send_image: ['Send an image', '发送图片'],
  send_file: ['Send an image or file', '发送图片或文件'],
  sending: ['Sending', '发送中'],
  stored: ['Sent', '已发送'],
  delivered: ['Delivered', '已送达'],
  read: ['Read', '已读'],
  not_sent: ['Not sent: {why}', '未发送：{why}'],
  try_again: ['Try again', '重试'],
  discard: ['Discard', '删除'],
  is_typing: ['{name} is typing', '{name} 正在输入'],
  earlier: ['Earlier messages', '更早的消息'],
  close: ['Close', '关闭'],
  cancel: ['Cancel', '取消'],
  visitor: ['Visitor {tail}', '访客 {tail}'],
  agent: ['Agent', '客服'],
  new_messages: ['New messages', '新消息'],
  kind_image: ['Image', '图片'],
  kind_file: ['File', '文件'],
  kind_product: ['Product', '商品'],
  kind_order: ['Order', '订单'],
  kind_recalled: ['Message recalled', '消息已撤回'],
  kind_deleted: ['Message deleted', '消息已删除'],
  kind_unknown: ['This page cannot show this message', '此页面无法显示该消息'],
  open_image: ['Open the image', '查看图片'],
  uploading: ['Uploading {name}…', '正在上传 {name}…'],

  // the demo shop
  shop_name: ['Leaf & Kettle', '叶与壶'],
  shop_title: ['Leaf & Kettle · Shopbell demo', '叶与壶 · Shopbell 演示'],
  shop_line: ['Small things for a long pot of tea.', '好茶慢泡，小物相伴。'],
  shop_note: ['Free delivery over €40 · 30 days to change your mind', '满 €40 包邮 · 30 天无忧退换'],
  nav_agent: ['Open the agent’s console', '打开客服工作台'],
  demo_hint: [
    'This is a demo shop. Write in the chat, then open the console beside it and sign in with a login that the server printed when it started.',
    '这是一个演示商店。在聊天窗口里留言，再在旁边打开客服工作台，用服务器启动时打印的账号登录。',
  ],
  ask_product: ['Ask us', '咨询'],
  product_teapot: ['Stoneware teapot', '粗陶茶壶'],
  product_teapot_line: ['900 ml, with a strainer of its own', '900 毫升，自带滤网'],
  product_cups: ['Pair of cups', '对杯'],
  product_cups_line: ['Thin rim, thick base, no handle', '薄口厚底，无柄'],
  product_tin: ['Spring oolong', '春茶乌龙'],
  product_tin_line: ['100 g tin, picked in April', '100 克罐装，四月采摘'],
  product_kettle: ['Gooseneck kettle', '细口壶'],
  product_kettle_line: ['1 litre, pours slowly on purpose', '1 升，专为慢注而生'],
  chat: ['Chat with us', '联系客服'],
  chat_empty: ['Ask us anything: stock, shipping, or which tea goes with rain.', '库存、物流，或雨天该喝什么茶，都可以问我们。'],
  state_ready: ['We usually answer within minutes', '通常几分钟内回复'],
  state_away: ['Nobody is on duty now. Leave a message: the answer will wait for you here.', '当前没有客服在线。请留言，回复会显示在这里。'],
  state_waiting: ['We have your message. Somebody will be with you soon.', '已收到您的消息，客服马上就来。'],
  state_place: ['You are number {n} in line', '您排在第 {n} 位'],
  state_next: ['You are next in line', '下一位就是您'],
  state_claimed: ['{name} is here for you', '{name} 正在为您服务'],
  state_resolved: ['This conversation is closed. Write to open it again.', '会话已结束，发送消息可重新开启。'],
  refused: ['The server did not let this page in. Reload to try again.', '服务器拒绝了本页面，请刷新重试。'],

  // the agent's console
  console_title: ['Agent console', '客服工作台'],
  login_title: ['Sign in to answer', '登录客服工作台'],
  login_line: ['For the people behind the shop.', '商店客服专用。'],
  uid: ['User id', '用户名'],
  password: ['Password', '密码'],
  login: ['Sign in', '登录'],
  login_busy: ['Signing in…', '正在登录…'],
  login_wrong: ['That id and password do not match.', '用户名或密码不正确。'],
  login_ended: ['Your session has ended. Sign in again.', '登录已失效，请重新登录。'],
  login_no_shop: ['{name} is not an agent of any shop.', '{name} 不是任何商店的客服。'],
  logout: ['Sign out', '退出'],
  on_duty: ['On duty', '在线'],
  away: ['Away', '离开'],
  status_label: ['On duty: waiting conversations reach you', '在线：接收排队会话'],
  tab_waiting: ['Waiting', '排队'],
  tab_mine: ['Mine', '我的'],
  tab_others: ['Others', '他人'],
  tab_resolved: ['Resolved', '已结束'],
  tab_empty_waiting: ['Nobody is waiting. Well done.', '没有排队的顾客。'],
  tab_empty_mine: ['Claim a waiting conversation to answer it.', '认领排队会话后即可回复。'],
  tab_empty_others: ['No colleague is in a conversation.', '没有同事在会话中。'],
  tab_empty_resolved: ['Nothing has been resolved yet.', '还没有已结束的会话。'],
  load_more: ['Load more', '加载更多'],
  pick: ['Pick a conversation on the left', '请从左侧选择会话'],
  pick_line: ['What waits longest is on top.', '等待最久的排在最前。'],
  claim: ['Claim', '认领'],
  reopen: ['Reopen and claim', '重新开启并认领'],
  resolve: ['Resolve', '结束'],
  release: ['Release', '释放'],
  transfer: ['Transfer', '转接'],
  transfer_title: ['Transfer to a colleague', '转接给同事'],
  transfer_uid: ['User id of the colleague', '同事的用户名'],
  transferred: ['Transferred to {name}', '已转接给 {name}'],
  chip_waiting: ['Waiting', '排队中'],
  chip_waiting_since: ['Waiting since {time}', '自 {time} 起排队'],
  chip_mine: ['Yours', '由我接待'],
  chip_claimed: ['With {name}', '{name} 接待中'],
  chip_resolved: ['Resolved', '已结束'],
  faster: ['{name} was faster and has claimed it', '{name} 抢先认领了该会话'],
  taken_away: ['This conversation is no longer yours', '该会话已不再由您接待'],
  handed_to_you: ['A conversation was transferred to you', '有会话转接给您'],
  read_along_waiting: ['Claim this conversation to answer it.', '认领后即可回复。'],
  read_along_claimed: ['{name} is answering. You are reading along.', '{name} 正在回复，您在旁观。'],
  read_along_resolved: ['This conversation is resolved.', '该会话已结束。'],
  you: ['You: ', '我：'],
  page_demo: ['Demo shop', '演示商店'],
  role_agent: ['Agent', '客服'],
  role_supervisor: ['Supervisor', '主管'],
  role_admin: ['Admin', '管理员'],

  // refusals, by code
  error_already_claimed: ['Somebody else has claimed it', '已被他人认领'],
  error_not_claimed: ['Claim it first', '请先认领'],
  error_not_claimant: ['Somebody else is answering', '由他人接待中'],
  error_forbidden: ['You may not do that', '没有权限'],
  error_not_found: ['It is not there', '不存在'],
  error_conflict: ['It has changed meanwhile', '状态已变化'],
  error_too_large: ['The file is too large', '文件过大'],
  error_rate_limited: ['Too fast. Wait a moment', '操作太快，请稍候'],
  error_unavailable: ['The server cannot be reached', '无法连接服务器'],
  error_unauthenticated: ['Sign in again', '请重新登录'],
  error_disconnected: ['The connection broke. Look, then try again', '连接中断，请确认后重试'],
  error_timeout: ['No answer from the server', '服务器未响应'],
  error_file: ['Files of this kind cannot be sent', '不支持此类型的文件'],
  error_invalid: ['The server did not accept it: {message}', '服务器不接受：{message}'],
};

const changes = new EventTarget();
let current = keptLanguage() ?? (navigator.language?.toLowerCase().startsWith('zh') ? 'zh' : 'en');

function keptLanguage() {
  try {
    const kept = localStorage.getItem(KEPT);
    return ['en', 'zh'].includes(kept) ? kept : null;
  } catch {
    return null;
  }
}

/** @returns {'en'|'zh'} */
export function language() { return current; }

/** @param {keyof WORDS} key @param {Record<string, string|number>} [values] for the `{names}` in it */
export function t(key, values = {}) {
  const text = WORDS[key][current === 'zh' ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** What went wrong, in words. @param {{code?: string, message?: string, detail?: {field?: string}}} error */
export function explain(error) {
  if (error.code === 'invalid' && error.detail?.field === 'file') return t('error_file');
  const key = `error_${error.code}`;
  return key in WORDS ? t(key, { message: error.message }) : error.message;
}

/** How to call a user: the name; a visitor without one by the end of the id. */
export function nameOf(user) {
  if (!user) return '';
  if (user.name) return user.name;
  if (user.uid?.startsWith('visitor:')) return t('visitor', { tail: user.uid.slice(-4) });
  return user.uid ?? '';
}

/** Fills the page's marked elements, now and whenever the language changes; `again` redraws the rest. */
export function translatePage(again = () => {}) {
  const fill = () => {
    document.documentElement.lang = current === 'zh' ? 'zh-CN' : 'en';
    for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
    for (const node of document.querySelectorAll('[data-t-placeholder]')) node.placeholder = t(node.dataset.tPlaceholder);
    for (const node of document.querySelectorAll('[data-t-label]')) {
      node.setAttribute('aria-label', t(node.dataset.tLabel));
      node.title = t(node.dataset.tLabel);
    }
    again();
  };
  changes.addEventListener('change', fill);
  for (const button of document.querySelectorAll('[data-language]')) {
    button.addEventListener('click', () => {
      current = current === 'zh' ? 'en' : 'zh';
      try { localStorage.setItem(KEPT, current); } catch { /* private browsing: for this visit only */ }
      changes.dispatchEvent(new Event('change'));
    });
  }
  fill();
}
