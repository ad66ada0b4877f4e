/** The languages of the audience. */
export type Language = 'zh' | 'en' | 'ja' | 'ko' | 'es' | 'pt' | 'fr' | 'de' | 'ar' | 'hi';

/** How many of a hundred viewers write in each language. */
export const shares: Readonly<Record<Language, number>> = { zh: 36, en: 18, ja: 12, ko: 8, es: 7, pt: 5, fr: 4, de: 4, ar: 3, hi: 3 };

/** Something on the stage that everybody reacts to. In the phrases, ` / ` stands between two. */
export interface Moment {
  readonly atSeconds: number;
  /** Number of comments that react to it. */
  readonly reactions: number;
  /** Seconds in which most reactions come. */
  readonly lastsSeconds: number;
  readonly phrases: Readonly<Record<Language, string>>;
}

/** The length of the concert, in seconds. */
export const concertSeconds = 780;

/** A small band plays on a roof at night. There is a cat. */
export const moments: readonly Moment[] = [
  {
    atSeconds: 26,
    reactions: 75,
    lastsSeconds: 24,
    phrases: {
      zh: '来了来了来了 / 开始了!! / 灯亮了 / 前排 / 终于等到了 / 好激动 / 全体起立 / 啊啊啊啊啊',
      en: 'HERE WE GO / it begins / they are on!! / lights!! / finally / good evening roof / everybody up',
      ja: 'きたああああ / はじまった / 待ってました / ライトきれい / 全員起立 / こんばんは屋上',
      ko: '시작한다!! / 드디어 / 왔다 왔다 / 불 켜졌다 / 떨린다',
      es: '¡ya empieza! / por fin / ¡arriba todos! / qué luces / allá vamos',
      pt: 'começouuu / finalmente / que luzes / vamos lá / boa noite telhado',
      fr: "c'est parti / enfin !! / bonsoir le toit / les lumières !!",
      de: 'es geht los!! / endlich / guten Abend, Dach / diese Lichter',
      ar: 'بدأت!! / أخيرًا / مساء الخير / يا سلام على الأضواء',
      hi: 'शुरू हो गया!! / आखिरकार / क्या रोशनी है / चलो चलो',
    },
  },
  {
    atSeconds: 108,
    reactions: 70,
    lastsSeconds: 22,
    phrases: {
      zh: '前奏一响我就哭了 / 就是这首! / DNA动了 / 爷青回 / 这个吉他 / 耳朵怀孕',
      en: 'THIS SONG / that intro / goosebumps already / my favourite!! / the guitar tone though / turn it UP',
      ja: 'この曲!! / イントロで泣く / 鳥肌 / ギターの音すき / 神曲きた',
      ko: '이 노래다 / 전주부터 소름 / 내 최애곡 / 기타 소리 미쳤다',
      es: '¡esta canción! / piel de gallina / mi favorita / esa guitarra',
      pt: 'essa música!! / arrepiei / minha favorita / que guitarra',
      fr: 'cette chanson !! / frissons / ma préférée / cette guitare',
      de: 'DIESES Lied / Gänsehaut / mein Lieblingslied / dieser Gitarrenton',
      ar: 'هذه الأغنية!! / قشعريرة / أغنيتي المفضلة',
      hi: 'यही गाना!! / रोंगटे खड़े हो गए / मेरा पसंदीदा',
    },
  },
  {
    atSeconds: 190,
    reactions: 135,
    lastsSeconds: 34,
    phrases: {
      zh: '猫!!!! / 有猫 / 猫猫上台了 / 猫:听众素质一般 / 猫才是主唱 / 它坐在音箱上了 / 猫猫队立大功 / 谁家的猫 / 喵 / 这猫不收门票 / 猫比我离舞台近',
      en: 'CAT / there is a CAT / the cat is on the amp / cat for president / is that the new bassist? / cat: not impressed / who let him in lol / front row cat / cat cam please / the cat has better seats than me / meow',
      ja: 'ねこ!!! / 猫いる / 猫がアンプに座った / 猫さま / ねこのソロ待ち / 新メンバー? / 猫しか見えない / にゃー / 特等席じゃん',
      ko: '고양이!!! / 냥이 등장 / 앰프 위에 고양이 / 고양이가 주인공 / 새 멤버인가요 / 냥냥 / 고양이 자리가 제일 좋네',
      es: '¡UN GATO! / hay un gato en el ampli / gato presidente / el gato es el nuevo bajista / miau / cámara al gato / mejor sitio que yo',
      pt: 'GATO!!! / tem um gato no palco / o gato roubou o show / miau / gato de primeira fila / filma o gato',
      fr: 'UN CHAT / le chat sur l’ampli / le chat est le nouveau bassiste / miaou / le chat a la meilleure place',
      de: 'KATZE!! / Katze auf dem Verstärker / die Katze ist jetzt Frontmann / miau / bester Platz im Haus',
      ar: 'قطة!!! / القطة فوق مكبر الصوت / القطة هي النجمة / مياو',
      hi: 'बिल्ली!!! / स्टेज पर बिल्ली / बिल्ली ही असली स्टार है / म्याऊँ',
    },
  },
  {
    atSeconds: 276,
    reactions: 110,
    lastsSeconds: 24,
    phrases: {
      zh: '6666666 / 看都没看就接住了 / 鼓棒飞了 / 这也能接住 / 鼓手是神 / 回放回放 / 太帅了 / 手是开了挂吧',
      en: 'NO LOOK CATCH / he dropped it and CAUGHT it / clip that / replay please / drummer unreal / did you see that / how?? / not even looking',
      ja: 'えっ今のなに / ノールックキャッチ / ドラムすごすぎ / もう一回見せて / かっこいい / スティック飛んだw',
      ko: '방금 봤어?? / 안 보고 잡았어 / 드러머 미쳤다 / 다시 보여줘 / 와 대박',
      es: '¡sin mirar! / se le cayó y la cogió / repetición / qué baterista / ¿lo han visto?',
      pt: 'sem olhar!!! / replay por favor / que baterista / vocês viram isso? / surreal',
      fr: 'sans regarder !! / ralenti svp / quel batteur / vous avez vu ça ?',
      de: 'ohne hinzusehen!! / Wiederholung bitte / was für ein Drummer / habt ihr das gesehen',
      ar: 'التقطها دون أن ينظر!! / أعيدوا اللقطة / عازف الطبل أسطورة',
      hi: 'बिना देखे पकड़ लिया!! / रीप्ले दिखाओ / क्या ड्रमर है',
    },
  },
  {
    atSeconds: 366,
    reactions: 130,
    lastsSeconds: 30,
    phrases: {
      zh: '????? / 停电了? / 我屏幕坏了? / 谁踩到插头了 / 猫干的 / 黑了 / 别慌 / 是我卡了还是停电了 / 保险丝:我先走了',
      en: '??? / who turned off the world / is it just me? / power cut! / it was the cat / my screen or the roof? / somebody pay the bill / black screen here too / who tripped on the cable',
      ja: '??? / 停電? / 画面まっくら / 猫だな / 犯人はねこ / うちだけ? / だれか線ふんだ',
      ko: '??? / 정전? / 나만 까매? / 고양이 짓이다 / 누가 선 밟았어',
      es: '??? / ¿se fue la luz? / fue el gato / ¿soy yo o todos? / ¿quién pisó el cable?',
      pt: '??? / acabou a luz? / foi o gato / é só aqui? / quem tropeçou no fio',
      fr: '??? / coupure de courant ? / c’est le chat / c’est moi ou tout le monde ?',
      de: '??? / Stromausfall? / das war die Katze / nur bei mir? / wer stand auf dem Kabel',
      ar: '؟؟؟ / انقطعت الكهرباء؟ / القطة هي السبب / عندي فقط؟',
      hi: '??? / बिजली गई? / बिल्ली ने किया / सिर्फ मेरे यहाँ?',
    },
  },
  {
    atSeconds: 401,
    reactions: 120,
    lastsSeconds: 36,
    phrases: {
      zh: '手机灯光!! / 太美了 / 全场星星 / 清唱 / 泪目 / 这一刻值了 / 不用电也能唱 / 截图了 / 好安静好好听 / 我在屏幕前也举起了手机',
      en: 'phone lights!!! / they are singing without power / I am crying / a roof full of stars / best accident ever / screenshot / no mic no problem / so quiet / holding my phone up at home',
      ja: 'スマホの灯り!! / アカペラ / 星空みたい / 泣いた / 電気いらなかった / スクショした / きれいすぎる',
      ko: '휴대폰 불빛!! / 무반주다 / 별 같아 / 울었다 / 너무 예쁘다 / 캡처했다',
      es: 'las luces de los móviles / a capela / estoy llorando / un techo de estrellas / qué bonito',
      pt: 'as luzes dos celulares / à capela!! / tô chorando / um céu de estrelas / que lindo',
      fr: 'les lumières des téléphones / a cappella / je pleure / un toit d’étoiles / magnifique',
      de: 'die Handylichter!! / a cappella / ich weine / ein Dach voller Sterne / wunderschön',
      ar: 'أضواء الهواتف!! / يغنون دون كهرباء / دمعت عيني / سطح من النجوم',
      hi: 'फ़ोन की रोशनी!! / बिना बिजली के गाना / आँखें भर आईं / तारों भरी छत',
    },
  },
  {
    atSeconds: 457,
    reactions: 85,
    lastsSeconds: 23,
    phrases: {
      zh: '来电了!!! / 音浪回来了 / 无缝衔接 / 鼓点直接接上 / 炸了 / 电工师傅加鸡腿',
      en: 'POWER IS BACK / right on the beat!! / perfect timing / give the electrician a raise / LOUD again / that drop',
      ja: '復活!!! / タイミング完璧 / 電気屋さんありがとう / 音もどった / ドロップやばい',
      ko: '전기 돌아왔다!! / 타이밍 완벽 / 전기 기사님 감사합니다 / 소름',
      es: '¡volvió la luz! / justo a tiempo / un aplauso al electricista',
      pt: 'voltou a luz!!! / no tempo certo / palmas pro eletricista',
      fr: 'le courant est revenu !! / pile dans le tempo / merci l’électricien',
      de: 'Strom ist da!! / genau auf den Schlag / Danke an den Elektriker',
      ar: 'عادت الكهرباء!! / في التوقيت المثالي / شكرًا للكهربائي',
      hi: 'बिजली आ गई!! / एकदम सही समय / बिजली वाले भैया को सलाम',
    },
  },
  {
    atSeconds: 547,
    reactions: 75,
    lastsSeconds: 26,
    phrases: {
      zh: '小提琴是谁 / 奶奶好帅 / 隔壁奶奶来了 / 奶奶拉得比我好一万倍 / 高手在民间 / 奶奶!奶奶!',
      en: 'who is she?? / the neighbour has a violin / grandma SHREDS / grandma for headliner / legend / she came to complain and stayed',
      ja: 'バイオリンだれ / 隣のおばあちゃん / おばあちゃん最高 / 達人きた / 苦情じゃなくて参加w',
      ko: '바이올린 누구야 / 옆집 할머니 / 할머니 최고 / 고수 등장',
      es: '¿quién es ella? / la vecina con violín / ¡abuela, abuela! / leyenda',
      pt: 'quem é ela? / a vizinha com violino / vovó arrasou / lenda',
      fr: 'qui est-ce ? / la voisine au violon / mamie au sommet / une légende',
      de: 'wer ist das? / die Nachbarin mit der Geige / Oma rockt / Legende',
      ar: 'من هذه؟ / الجارة والكمان / الجدة أسطورة',
      hi: 'ये कौन हैं? / पड़ोस वाली दादी / दादी ज़बरदस्त',
    },
  },
  {
    atSeconds: 634,
    reactions: 110,
    lastsSeconds: 30,
    phrases: {
      zh: '烟花!!!! / 哇哇哇 / 好美 / 隔着屏幕都看到了 / 新年快乐(不是) / 猫跑了 / 猫猫别怕 / 许个愿',
      en: 'FIREWORKS / wow wow wow / where is the cat?? / someone hug the cat / make a wish / so pretty / the whole sky / best seat is my sofa',
      ja: '花火!!!! / きれい / たまやー / かぎやー / 猫は大丈夫? / 願いごと',
      ko: '불꽃놀이!!! / 예쁘다 / 고양이 괜찮아? / 소원 빌자 / 와아아',
      es: '¡fuegos artificiales! / ¿y el gato? / pide un deseo / qué cielo',
      pt: 'fogos!!! / cadê o gato? / faz um pedido / que céu lindo',
      fr: 'feu d’artifice !!! / et le chat ? / fais un vœu / quel ciel',
      de: 'Feuerwerk!!! / wo ist die Katze? / wünsch dir was / dieser Himmel',
      ar: 'ألعاب نارية!!! / أين القطة؟ / تمنَّ أمنية',
      hi: 'आतिशबाज़ी!!! / बिल्ली कहाँ है? / एक इच्छा माँगो',
    },
  },
  {
    atSeconds: 682,
    reactions: 85,
    lastsSeconds: 30,
    phrases: {
      zh: '安可!安可! / 再来一首 / 不许走 / 别停 / 我还没听够 / 返场',
      en: 'ENCORE / one more song / one more!! / do not stop / we are not leaving / again again again',
      ja: 'アンコール! / もう一曲 / 帰らないで / まだ足りない / アンコール!アンコール!',
      ko: '앵콜! 앵콜! / 한 곡 더 / 가지 마 / 더 듣고 싶어',
      es: '¡otra, otra! / una más / no se vayan',
      pt: 'mais uma!! / bis! bis! / não vai embora',
      fr: 'une autre ! / encore !! / restez',
      de: 'Zugabe!! / noch ein Lied / nicht aufhören',
      ar: 'مرة أخرى!! / أغنية واحدة بعد / لا ترحلوا',
      hi: 'एक और!! / वन्स मोर / मत जाओ',
    },
  },
  {
    atSeconds: 743,
    reactions: 95,
    lastsSeconds: 36,
    phrases: {
      zh: '完结撒花 / 辛苦了 / 下次见 / 晚安 / 晚安,猫 / 二刷预定 / 撒花✿✿✿ / 回家路上小心',
      en: 'good night / good night cat / thank you!! / see you on the next roof / what a night / same time next week? / rewatching now',
      ja: 'おつかれさまでした / おやすみ / また屋上で / 888888888 / 最高の夜 / 猫もおやすみ',
      ko: '수고하셨습니다 / 잘 자요 / 다음에 또 / 최고의 밤 / 고양이도 잘 자',
      es: 'buenas noches / gracias!! / hasta el próximo tejado / buenas noches, gato',
      pt: 'boa noite / obrigado!! / até o próximo telhado / boa noite, gato',
      fr: 'bonne nuit / merci !! / au prochain toit / bonne nuit le chat',
      de: 'gute Nacht / danke!! / bis zum nächsten Dach / gute Nacht, Katze',
      ar: 'تصبحون على خير / شكرًا!! / إلى السطح القادم',
      hi: 'शुभ रात्रि / धन्यवाद!! / अगली छत पर मिलते हैं',
    },
  },
];
