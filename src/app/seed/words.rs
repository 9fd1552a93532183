//! What people are called and what they say: a few words of several languages, the first of them much oftener than the last.

use std::sync::LazyLock;

use rand::{Rng, RngExt};

/// Draws 0, 1, 2 …, each in proportion to 1, 1/2, 1/3 …
pub struct Zipf(Vec<f64>);

impl Zipf {
    pub fn new(count: usize) -> Zipf {
        let mut sum = 0.0;
        Zipf(
            (1..=count)
                .map(|rank| {
                    sum += 1.0 / rank as f64;
                    sum
                })
                .collect(),
        )
    }

    pub fn draw(&self, chance: &mut impl Rng) -> usize {
        let last = self.0.len() - 1;
        let at = chance.random::<f64>() * self.0[last];
        self.0.partition_point(|sum| *sum <= at).min(last)
    }
}

/// A language: an index of [`WRITTEN`].
#[derive(Clone, Copy, Debug)]
pub struct Language(usize);

/// What there is of a language. Lists of words are separated by spaces.
struct Written {
    /// Of a hundred people, how many speak it.
    share: u32,
    /// What stands between words.
    space: &'static str,
    end: &'static str,
    /// The family's name comes first, without a space.
    family_first: bool,
    names: &'static str,
    families: &'static str,
    /// The most frequent first.
    words: &'static str,
}

/// The same, to draw from.
struct Vocabulary {
    written: &'static Written,
    names: Vec<&'static str>,
    families: Vec<&'static str>,
    words: Vec<&'static str>,
    frequencies: Zipf,
}

static VOCABULARIES: LazyLock<Vec<Vocabulary>> = LazyLock::new(|| WRITTEN.iter().map(Vocabulary::of).collect());

impl Vocabulary {
    fn of(written: &'static Written) -> Vocabulary {
        let list = |words: &'static str| words.split_whitespace().collect::<Vec<_>>();
        let words = list(written.words);
        let frequencies = Zipf::new(words.len());
        Vocabulary { written, names: list(written.names), families: list(written.families), words, frequencies }
    }

    fn some(&self, count: usize, chance: &mut impl Rng) -> String {
        let words: Vec<_> = (0..count).map(|_| self.words[self.frequencies.draw(chance)]).collect();
        words.join(self.written.space)
    }
}

impl Language {
    pub fn any(chance: &mut impl Rng) -> Language {
        let mut left = chance.random_range(0..100);
        let is_it = |written: &Written| {
            let it = left < written.share;
            left = left.saturating_sub(written.share);
            it
        };
        Language(WRITTEN.iter().position(is_it).unwrap_or(0))
    }

    fn vocabulary(self) -> &'static Vocabulary {
        &VOCABULARIES[self.0]
    }

    pub fn name(self, chance: &mut impl Rng) -> String {
        let Vocabulary { names, families, written, .. } = self.vocabulary();
        let name = names[chance.random_range(0..names.len())];
        let family = families[chance.random_range(0..families.len())];
        if written.family_first { format!("{family}{name}") } else { format!("{name} {family}") }
    }

    /// 2 words to 40, most often a few.
    pub fn text(self, chance: &mut impl Rng) -> String {
        let most = if chance.random_bool(0.1) { 40 } else { 12 };
        self.vocabulary().some(chance.random_range(2..=most), chance) + self.vocabulary().written.end
    }

    /// What a product is called.
    pub fn product(self, chance: &mut impl Rng) -> String {
        let number: u32 = chance.random_range(100..1_000);
        format!("{} {number}", self.vocabulary().some(3, chance))
    }
}

const WRITTEN: [Written; 8] = [
    // English
    Written {
        share: 40,
        space: " ",
        end: ".",
        family_first: false,
        names: "Anna Ben Carla David Emma Frank Grace Henry Iris Jack Kate Liam Mary Noah Olive Paul Rose Sam Tina Will",
        families: "Smith Jones Brown Taylor Wilson Evans Walker Wright Green Baker Hill Cooper Ward Price Reed Shaw Young King \
                Scott Moore",
        words: "the to I my is it a you order and for not of in have this can with when was please on that but are thanks your \
                me do what be delivery still has size received color refund parcel hello today just if yes want return would \
                more how yesterday no there tracking shipped working item one broken they so invoice blue address change any \
                wrong could two available arrive large package card email week black shoes again problem phone jacket box \
                discount payment after already another missing exchange shipping warranty code tomorrow soon cable battery red \
                small coat stock number days account store late label gift money charger cancel white help screen check monday \
                price camera lamp bag kettle zipper leather wool receipt courier warehouse customs damaged scratched voucher \
                password",
    },
    // Chinese
    Written {
        share: 32,
        space: "",
        end: "。",
        family_first: true,
        names: "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀英 霞 平",
        families: "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 高 林 罗",
        words: "的 我 你好 了 是 吗 请问 什么 时候 发货 可以 不 有 这个 没有 谢谢 订单 还 怎么 收到 快递 退款 好的 亲 颜色 尺码 您好 现在 今天 能 多少 想 要 一下 退货 物流 价格 问题 这款 帮 您 查 \
                已经 明天 客服 地址 换 衣服 包裹 大 小 鞋子 昨天 发票 优惠 红色 黑色 质量 坏了 联系 电话 收货 几天 到 便宜 手机 充电 仓库 申请 售后 运费 蓝色 白色 麻烦 看看 稍等 处理 付款 取消 修改 \
                礼物 电池 屏幕 保修 合适 图片 外套 裤子 毛衣 耳机 缺货 补货 上架 快点 投诉 破损 少件 签收 中通 顺丰 赠品 会员 积分 账号 密码 满减 包邮 材质 皮革",
    },
    // German
    Written {
        share: 7,
        space: " ",
        end: ".",
        family_first: false,
        names: "Anna Jürgen Lukas Lena Jörg Käthe Max Sophie",
        families: "Müller Schmidt Weber Fischer Wagner Schäfer Koch Groß",
        words: "ich die der das ist nicht und meine Bestellung bitte wann noch habe mit auf für Hallo kommt danke Lieferung \
                Größe Paket zu eine Rechnung Rücksendung Farbe leider heute gestern Adresse falsch kaputt Gutschein Jacke \
                Schuhe Umtausch Geld zurück verfügbar Versand Sendung größer kleiner schön Schlüssel Kühlschrank Gürtel Straße",
    },
    // Spanish
    Written {
        share: 6,
        space: " ",
        end: ".",
        family_first: false,
        names: "María José Lucía Juan Carmen Luis Sofía Íñigo",
        families: "García López Pérez Gómez Núñez Muñoz Ruiz Díaz",
        words: "el la de mi pedido no y por favor cuándo llega hola gracias está talla color envío con una devolución quiero \
                cambiar paquete factura dirección ayer hoy mañana roto dinero chaqueta zapatos número tamaño pequeño grande \
                tarjeta descuento niño año",
    },
    // French
    Written {
        share: 5,
        space: " ",
        end: ".",
        family_first: false,
        names: "Chloé Jean Zoé Louis Élise Hugo Noëlle Rémi",
        families: "Martin Bernard Dubois Lefèvre Moreau Fontaine Girard Bérard",
        words: "je le la de est ma commande pas bonjour merci quand et vous avez taille couleur livraison reçu colis \
                remboursement facture adresse retour échange hier aujourd'hui demain cassé veste chaussures trop petit grand \
                numéro paiement carte déjà très être été",
    },
    // Japanese
    Written {
        share: 5,
        space: "",
        end: "。",
        family_first: true,
        names: "さくら 太郎 花子 健 翔 美咲 陽菜 蓮",
        families: "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村",
        words: "の は です 注文 を に が いつ 届き ますか ありがとうございます お願いします 商品 サイズ 色 返品 交換 配送 まだ 届いて いません 住所 変更 したい 送料 靴 上着 昨日 今日 明日 領収書 キャンセル \
                在庫 ございます 確認 少々 お待ち ください",
    },
    // Russian
    Written {
        share: 3,
        space: " ",
        end: ".",
        family_first: false,
        names: "Анна Иван Мария Пётр Ольга Семён Алёна Юрий",
        families: "Иванов Смирнов Кузнецов Попов Соколов Лебедев Козлов Новиков",
        words: "я не мой заказ в когда и на придёт здравствуйте спасибо размер цвет доставка посылка возврат деньги адрес \
                вчера сегодня завтра куртка обувь сломан номер оплата карта скидка обмен ещё можно пожалуйста где получил \
                большой маленький",
    },
    // Arabic
    Written {
        share: 2,
        space: " ",
        end: ".",
        family_first: false,
        names: "محمد فاطمة علي مريم حسن ليلى عمر نور",
        families: "الأحمد الخطيب حداد نجار منصور سالم عباس يوسف",
        words: "في من على طلبي متى يصل شكرا مرحبا هل المقاس اللون الشحنة استرجاع المال العنوان أمس اليوم غدا مكسور الحذاء \
                السترة رقم الدفع البطاقة خصم استبدال فضلك أين وصلت كبير صغير جديد",
    },
];
