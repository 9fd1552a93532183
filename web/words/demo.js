/** The demo shop. Each: English, Chinese. */

export const DEMO = {
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
};
