/** What the server's own pages share beside the chat. Each: English, Chinese. */

export const PAGE = {
  lang_switch: ['中文', 'English'],
  lang_switch_label: ['切换到中文', 'Switch to English'],
  send_file: ['Send an image or file', '发送图片或文件'],
  cancel: ['Cancel', '取消'],
  new_messages: ['New messages', '新消息'],
  error_already_claimed: ['Somebody else has claimed it', '已被他人认领'],
  error_not_claimed: ['Claim it first', '请先认领'],
  error_not_claimant: ['Somebody else is answering', '由他人接待中'],
  error_forbidden: ['You may not do that', '没有权限'],
  error_not_found: ['It is not there', '不存在'],
  error_disconnected: ['The connection broke. Look, then try again', '连接中断，请确认后重试'],
};
